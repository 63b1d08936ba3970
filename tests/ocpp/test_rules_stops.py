"""Ends of charging sessions, and what comes out of order (E5 to E7), as rules, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.blueprints.ocpp.models import Connector, MeterReading, OddStop, Transaction
from app.clock import utcnow
from tests.databases import both_databases
from tests.ocpp.rules import ChargePoint, Site, element, iso, sample

pytestmark = both_databases


@pytest.fixture
def charger(site: Site) -> ChargePoint:
    """One where anyone may charge."""
    return site.charger()


@pytest.fixture
def account(site: Site) -> int:
    """The account of the tag CAFE."""
    return site.tag("CAFE")


def ago(**span: float) -> str:
    return iso(utcnow() - timedelta(**span))


def flags(site: Site, id: int) -> set[str]:
    return set(site.transaction(id).flags.split())


def test_e5_every_stop_is_answered_and_what_fits_nothing_is_kept(
    site: Site, charger: ChargePoint, account: int
) -> None:
    other = site.charger("OTHER")
    foreign = other.start("CAFE")
    claims = [99_999, -1, 0, foreign, 2**31, 2**63, 10**30, None, "abc", "", [1], {"a": 1}, 5.5, True]
    for claim in claims:
        charger.stop(claim, 10)
    assert site.transaction(foreign).stopped_at is None, "never somebody else's"
    found = {row.claimed_id: row.why for row in site.all(OddStop, charger_id=charger.id)}
    assert found["99999"] == found[str(2**31)] == found["abc"] == "unknown"
    assert found["-1"] == found["0"] == "not_positive"
    assert found[str(foreign)] == "foreign"
    assert found[""] == "missing"
    assert len(site.all(OddStop)) == len(claims)
    assert site.spent(account) == 0


def test_e5_the_quarantine_keeps_the_stop_whole(site: Site, charger: ChargePoint) -> None:
    payload = {
        "transactionId": "a\x00b",
        "meterStop": "many",
        "note": "\ud800",
        "deep": [[[[{"x": 10**400}]]]],
    }
    charger.ask("StopTransaction", payload)
    found = site.one(OddStop)
    assert found.claimed_id == "a\ufffdb"
    assert found.payload["meterStop"] == "many"
    assert set(found.payload) == set(payload)


def test_e5_a_retry_of_a_stop_that_fits_nothing_is_kept_once(site: Site, charger: ChargePoint) -> None:
    payload = {"transactionId": 4711, "meterStop": 5, "timestamp": ago(hours=1)}
    for _ in range(3):
        charger.ask("StopTransaction", payload)
    site.charger("OTHER").ask("StopTransaction", payload)
    assert [row.charger_id for row in site.all(OddStop)] == [charger.id, charger.id + 1]


def test_e5_a_retry_changes_nothing(site: Site, charger: ChargePoint, account: int) -> None:
    id = charger.start()
    first = charger.stop(id, 700, idTag="CAFE", reason="EVDisconnected")
    before = vars(site.transaction(id)) | {"_sa_instance_state": None}
    assert charger.stop(id, 9000, idTag="CAFE", timestamp=ago(days=1), reason="Reboot") == first
    assert vars(site.transaction(id)) | {"_sa_instance_state": None} == before
    assert site.spent(account) == 700


def test_e5_no_tag_and_no_reason(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    assert charger.ask("StopTransaction", {"transactionId": id, "meterStop": 5, "timestamp": ago()}) == {}
    assert site.transaction(id).stop_reason == "Local"


def test_e5_energy_is_never_negative(site: Site, charger: ChargePoint, account: int) -> None:
    asked: list[tuple[Any, int, str]] = [
        (2500, 1500, ""),
        (1000, 0, "meter_backwards"),
        (999, 600, "meter_backwards"),
        (1400, 400, "meter_backwards"),
        (-50, 600, "meter_backwards"),
        (None, 600, "no_meter_stop"),
        ("many", 600, "no_meter_stop"),
        (10**30, 600, "no_meter_stop"),
        ("2500", 1500, ""),
        (2499.6, 1499, ""),
    ]
    total = 0
    for meter_stop, energy_wh, flag in asked:
        id = charger.start(meterStart=1000)
        charger.meter(1600, id)
        charger.stop(id, meter_stop)
        total += energy_wh
        assert (site.transaction(id).energy_wh, site.transaction(id).flags) == (energy_wh, flag), meter_stop
        assert site.spent(account) == total


def test_e5_malformed_transaction_data_stops_all_the_same(
    site: Site, charger: ChargePoint, account: int
) -> None:
    at = "2026-01-01T00:00:00Z"
    malformed: list[Any] = [
        5, "x", {}, [], [None], [5], [{}], [{"timestamp": 5}], [{"sampledValue": 5}],
        [{"sampledValue": [5, None, "x"]}], [{"sampledValue": [{}]}],
        [{"timestamp": at, "sampledValue": [{"value": [1]}]}],
        {"timestamp": at, "sampledValue": {"value": 5, "measurand": 7}},
    ]  # fmt: skip
    for number, told in enumerate(malformed, start=1):
        id = charger.start(meterStart=number)
        charger.stop(id, number + 100, transactionData=told)
        assert site.transaction(id).energy_wh == 100
    assert site.spent(account) == 100 * len(malformed)


def test_e6_transaction_data_become_readings_once(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    told = [
        element([sample(0, context="Transaction.Begin")], ago(minutes=9)),
        element([sample(90, context="Transaction.End"), sample(7, "Power.Active.Import")], ago()),
    ]
    for _ in range(3):
        charger.stop(id, 100, transactionData=told)
    assert [row.value for row in site.all(MeterReading, transaction_id=id)] == [0, 90, 7]


def test_e6_transaction_data_tell_the_end_where_meter_stop_is_missing(
    site: Site, charger: ChargePoint, account: int
) -> None:
    id = charger.start()
    charger.stop(id, None, transactionData=[element([sample(90, context="Transaction.End")])])
    assert site.transaction(id).energy_wh == site.spent(account) == 90
    assert flags(site, id) == {"no_meter_stop"}


def test_e7_meter_values_without_their_transaction_go_to_the_running_one(
    site: Site, charger: ChargePoint, account: int
) -> None:
    id = charger.start(connectorId=2)
    foreign = site.charger("OTHER").start("OTHER")
    for number, claimed in enumerate([None, 0, -1, 99_999, 2**40, foreign], start=1):
        charger.meter(number * 100, claimed, connectorId=2)
        assert site.transaction(id).energy_wh == number * 100
    charger.meter(5000, None, connectorId=3)
    charger.meter(6000, None, connectorId=0)
    assert site.spent(account) == 600
    assert [row.transaction_id for row in site.all(MeterReading)] == [id] * 6 + [None] * 2
    assert site.transaction(foreign).energy_wh == 0


def test_e7_meter_values_after_the_stop_are_readings_and_no_energy(
    site: Site, charger: ChargePoint, account: int
) -> None:
    id = charger.start()
    charger.stop(id, 100)
    charger.meter(900, id)
    assert site.spent(account) == 100
    assert site.one(MeterReading).transaction_id == id


def test_e7_a_stop_before_its_start(site: Site, charger: ChargePoint, account: int) -> None:
    charger.stop(1, 500, timestamp=ago(minutes=1))
    id = charger.start(timestamp=ago(minutes=30))
    assert site.transaction(id).stopped_at is None, "the id that the stop made up is not this one's stop"
    assert site.one(OddStop).claimed_id == "1"
    charger.stop(id, 500, timestamp=ago(minutes=60))
    assert flags(site, id) == {"stopped_before_start"}


def test_e7_a_whole_session_three_days_late(site: Site, charger: ChargePoint, account: int) -> None:
    id = charger.start(timestamp=ago(days=3), meterStart=100)
    charger.meter(0, id, meterValue=[element([sample(600)], ago(days=3, minutes=-10))])
    charger.stop(id, 1100, timestamp=ago(days=3, minutes=-30))
    row = site.transaction(id)
    assert (row.energy_wh, row.flags, site.spent(account)) == (1000, "", 1000)
    assert row.stopped_at - row.started_at == timedelta(minutes=30) or row.stopped_at > row.started_at


def test_e7_a_late_session_leaves_the_running_one_alone(
    site: Site, charger: ChargePoint, account: int
) -> None:
    now = charger.start(meterStart=5000)
    charger.ask("MeterValues", {"connectorId": 1, "transactionId": now, "meterValue": [
        element([sample(5100), sample(11_000, "Power.Active.Import")])]})  # fmt: skip
    late = charger.start("LATE", timestamp=ago(days=3), meterStart=100)
    charger.meter(0, late, meterValue=[element([sample(600)], ago(days=3, minutes=-10))])
    charger.stop(late, 1100, timestamp=ago(days=3, minutes=-30))
    assert site.transaction(now).stopped_at is None
    assert flags(site, late) == {"late"}
    assert site.transaction(late).energy_wh == 1000
    connector = site.one(Connector, connector_id=1)
    assert (connector.meter_wh, connector.power_w) == (5100, 11_000), "what is true now stays"
    charger.stop(now, 5500)
    assert site.spent(account) == 500


def test_e7_late_starts_do_not_pile_up(site: Site, charger: ChargePoint) -> None:
    now = charger.start()
    late = [charger.start(f"LATE{number}", timestamp=ago(days=number)) for number in range(1, 9)]
    running = [row.id for row in site.all(Transaction) if row.stopped_at is None]
    assert running == [now, late[-1]]
    for id in late:
        charger.stop(id, 70)
        assert site.transaction(id).energy_wh == 70, "its own stop still counts"


def test_e7_made_up_connectors_do_not_pile_up(site: Site, charger: ChargePoint) -> None:
    for number in range(20):
        charger.start(connectorId=1_600_000_000 + number, meterStart=number)
    assert len([row for row in site.all(Transaction) if row.stopped_at is None]) == 1
    assert {row.connector_id for row in site.all(Transaction)} == set(range(1_600_000_000, 1_600_000_020))
    assert not site.all(Connector)


def test_e7_connector_0_is_served(site: Site, charger: ChargePoint, account: int) -> None:
    id = charger.start(connectorId=0)
    charger.meter(10, None, connectorId=0)
    charger.stop(id, 20)
    assert (site.spent(account), flags(site, id)) == (20, {"odd_connector"})
