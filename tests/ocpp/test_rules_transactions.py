"""Charging sessions in order and out of it (E of the specification), as rules, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.blueprints.ocpp.models import Connector, Transaction
from app.clock import utcnow
from app.domain_error import DomainError, NotFound
from tests.databases import both_databases
from tests.ocpp.rules import ChargePoint, Clock, Site, element, iso, sample
from tests.ocpp.staff import eventually

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


def test_e1_a_start_always_gets_an_id(site: Site, charger: ChargePoint) -> None:
    site.tag("BLOCKED", allowed=False, user_id=None)
    asked: list[Any] = [
        {}, None, {"meterStart": 10}, {"idTag": "BLOCKED"}, {"connectorId": 0}, {"connectorId": -5},
        {"connectorId": 1_600_000_000}, {"connectorId": 10**30}, {"connectorId": "2", "meterStart": "17"},
        {"meterStart": -5}, {"meterStart": 10**30}, {"meterStart": 12.6}, {"timestamp": "yesterday"},
        {"timestamp": 1700000000}, {"reservationId": -1}, {"idTag": {"idToken": "CAFE"}},
    ]  # fmt: skip
    answers = [charger.ask("StartTransaction", payload) for payload in asked]
    ids = [answer["transactionId"] for answer in answers]
    assert all(isinstance(id, int) and id > 0 for id in ids)
    assert all(answer["idTagInfo"]["status"] for answer in answers)
    assert len(site.all(Transaction)) == len(set(ids))


def test_e1_a_refused_start_is_recorded_and_billed_if_it_charges(site: Site, charger: ChargePoint) -> None:
    account = site.tag("POOR", credit_wh=0)
    guarded = site.charger("GUARDED", require_rfid=True)
    id = guarded.start("POOR")
    assert site.transaction(id).refused == "no_credit"
    guarded.meter(800, id)
    assert site.spent(account) == 800
    guarded.stop(id, 900)
    assert site.spent(account) == 900


def test_e2_ids_are_never_used_again(site: Site, charger: ChargePoint) -> None:
    ids = [charger.start(f"T{number}", connectorId=number) for number in range(1, 6)]
    other = site.charger("OTHER").start()
    assert len({*ids, other}) == 6
    assert ids == sorted(ids)


def test_e3_the_chargers_times_count_and_ours_are_kept(site: Site, charger: ChargePoint) -> None:
    before = utcnow()
    id = charger.start(timestamp="2026-03-01T10:00:00+05:30")
    charger.stop(id, 10, timestamp="2026-03-01T06:00:00.1234567")
    row = site.transaction(id)
    assert row.started_at.isoformat() == "2026-03-01T04:30:00+00:00"
    assert row.stopped_at.isoformat() == "2026-03-01T06:00:00.123456+00:00"
    assert before <= row.received_at <= row.stop_received_at
    assert row.flags == ""


def test_e3_impossible_times_are_served_and_flagged(site: Site, account: int) -> None:
    asked = {
        "1970-01-01T00:00:00Z": "clock_unset",
        "0001-01-01T00:00:00Z": "clock_unset",
        "9999-12-31T23:59:59.999999Z": "clock_ahead",
        "9999-12-31T23:59:59-14:00": "no_clock",
        "": "no_clock",
    }
    for number, (timestamp, flag) in enumerate(asked.items(), start=1):
        charger = site.charger(f"CP{number}")
        id = charger.start(timestamp=timestamp, meterStart=5)
        charger.meter(10, id, meterValue=[element([sample(20)], timestamp)])
        assert flags(site, id) == {flag}
        charger.stop(id, 105, timestamp=timestamp)
        assert flags(site, id) == {flag}
        assert site.transaction(id).energy_wh == 100
        assert site.spent(account) == number * 100
        charger.ask("StatusNotification", {"connectorId": 1, "status": "Charging", "timestamp": timestamp})
        assert site.one(Connector, charger_id=charger.id).status == "Charging"


def test_e3_a_wrong_clock_does_not_keep_a_connector_busy(site: Site, charger: ChargePoint) -> None:
    ahead = charger.start("A", timestamp="9999-01-01T00:00:00Z")
    unset = charger.start("B", timestamp="1970-01-01T00:00:00Z")
    right = charger.start("C")
    assert [site.transaction(id).stopped_at is None for id in (ahead, unset, right)] == [False, False, True]
    assert {"stale"} < flags(site, ahead)
    assert {"stale"} < flags(site, unset)


def test_e4_the_same_start_is_one_transaction(site: Site, charger: ChargePoint, account: int) -> None:
    at = ago(minutes=5)
    first = charger.started(timestamp=at, meterStart=100)
    assert charger.started(timestamp=at, meterStart=100) == first, "running"
    charger.meter(600, first["transactionId"])
    charger.stop(first["transactionId"], 1100)
    charger.reconnect()
    assert charger.started("cafe", timestamp=at, meterStart=100) == first, "stopped"
    row = site.one(Transaction)
    assert (row.energy_wh, row.stopped_at is not None, site.spent(account)) == (1000, True, 1000)
    others = [
        charger.start(timestamp=at, meterStart=101),
        charger.start(timestamp=at, meterStart=100, connectorId=2),
        charger.start("BABE", timestamp=at, meterStart=100),
        site.charger("OTHER").start(timestamp=at, meterStart=100),
    ]
    assert len({first["transactionId"], *others}) == 5


def test_e4_a_repeated_refusal_is_the_same_refusal(site: Site) -> None:
    guarded = site.charger("GUARDED", require_rfid=True)
    at = ago(minutes=1)
    first = guarded.started("STRANGER", timestamp=at)
    site.tag("STRANGER")
    assert guarded.started("STRANGER", timestamp=at)["transactionId"] == first["transactionId"]
    assert guarded.started("STRANGER", timestamp=at)["idTagInfo"]["status"] == "Invalid"


def test_e4_a_start_without_a_time_is_the_same_until_energy_flows(
    site: Site, charger: ChargePoint, account: int
) -> None:
    asked = {"connectorId": 1, "idTag": "CAFE", "meterStart": 10}
    first = charger.ask("StartTransaction", asked)
    assert charger.ask("StartTransaction", asked) == first
    charger.meter(500, first["transactionId"])
    second = charger.ask("StartTransaction", asked)
    assert second["transactionId"] != first["transactionId"]
    assert "stale" in flags(site, first["transactionId"])
    charger.ask("StopTransaction", {"transactionId": second["transactionId"], "meterStop": 20})
    third = charger.ask("StartTransaction", asked)
    assert third["transactionId"] != second["transactionId"], "a stopped one is over"


def test_e4_the_same_start_twice_in_one_batch(site: Site, charger: ChargePoint) -> None:
    twin = ChargePoint(site, charger.id)  # a second socket, before the first has noticed that it is dead
    at, ids = ago(minutes=1), []
    asking = [threading.Thread(target=lambda c=c: ids.append(c.start(timestamp=at))) for c in (charger, twin)]
    with site.one_batch(2):
        for thread in asking:
            thread.start()
    for thread in asking:
        thread.join()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    site.one(Transaction)


SLOW_COMMIT = """
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON charge_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_test()
"""


@pytest.mark.parametrize("told", [{"timestamp": ago(minutes=1)}, {}], ids=["clock", "no clock"])
def test_e4_the_same_start_twice_while_the_first_is_committed(
    site: Site, charger: ChargePoint, told: dict[str, Any]
) -> None:
    if site.engine.dialect.name == "sqlite":
        return  # one writer: the first is stored before the second is read
    twin, ids = ChargePoint(site, charger.id), []
    asked = {"connectorId": 1, "idTag": "CAFE", "meterStart": 10, **told}
    asking = [
        threading.Thread(target=lambda c=c: ids.append(c.ask("StartTransaction", asked)["transactionId"]))
        for c in (charger, twin)
    ]
    with slow_commits(site), site.engine.connect() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(1)"))
        for count, thread in enumerate(asking, start=1):
            thread.start()
            eventually(lambda count=count: locks_waited_for(site) == count)  # the commit; then the first one
        holder.rollback()
        for thread in asking:
            thread.join()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    site.one(Transaction)


@contextmanager
def slow_commits(site: Site) -> Iterator[None]:
    with site.engine.begin() as connection:
        connection.execute(text(SLOW_COMMIT))
    try:
        yield
    finally:
        with site.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION wait_for_test CASCADE"))


def locks_waited_for(site: Site) -> int:
    with site.engine.connect() as connection:
        waiting = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                     WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()"""
        return int(connection.scalar(text(waiting)) or 0)


def test_e8_two_connectors_charge_at_once(site: Site, charger: ChargePoint, account: int) -> None:
    one, two = charger.start("CAFE", connectorId=1), charger.start("BABE", connectorId=2)
    charger.meter(100, one, connectorId=1)
    charger.meter(200, two, connectorId=2)
    charger.stop(one, 150)
    assert site.transaction(two).stopped_at is None
    charger.meter(300, None, connectorId=2)
    charger.stop(two, 400)
    assert [site.transaction(id).energy_wh for id in (one, two)] == [150, 400]


def test_e8_a_start_ends_the_transaction_that_never_stopped(
    site: Site, charger: ChargePoint, account: int
) -> None:
    old = charger.start(timestamp=ago(hours=2), meterStart=100)
    charger.meter(700, old)
    new = charger.start("BABE", timestamp=ago(hours=1), meterStart=900)
    row = site.transaction(old)
    assert (row.energy_wh, row.meter_stop_wh, row.stop_reason, row.flags) == (600, 700, "Other", "stale")
    assert row.stopped_at == site.transaction(new).started_at
    assert site.spent(account) == 600
    charger.stop(old, 850, timestamp=ago(hours=1.5), reason="PowerLoss")
    row = site.transaction(old)
    assert (row.energy_wh, row.stop_reason, row.flags) == (750, "PowerLoss", "was_stale"), (
        "its own stop came late"
    )
    charger.stop(old, 99_999)
    assert site.spent(account) == 750
    assert site.transaction(new).stopped_at is None


def test_e8_staff_close_one_by_hand(site: Site, charger: ChargePoint, account: int) -> None:
    id = charger.start(meterStart=100)
    charger.meter(400, id)
    site.close(id)
    row = site.transaction(id)
    assert (row.energy_wh, row.flags, site.spent(account)) == (300, "closed_by_staff", 300)
    with pytest.raises(DomainError):
        site.close(id)
    for nobody in (id + 1, 0, -1, 2**40):
        with pytest.raises(NotFound):
            site.close(nobody)
    charger.stop(id, 600)
    assert (site.spent(account), flags(site, id)) == (500, {"was_closed_by_staff"})


def test_e8_a_closed_transaction_without_readings_used_nothing(site: Site, charger: ChargePoint) -> None:
    id = charger.start(meterStart=-30)
    charger.meter(0, id)
    site.close(id)
    assert (site.transaction(id).meter_stop_wh, site.transaction(id).energy_wh) == (0, 30)


def test_e9_a_bad_message_in_a_batch_costs_only_itself(
    site: Site, charger: ChargePoint, account: int, caplog: pytest.LogCaptureFixture
) -> None:
    others = [site.charger(f"CP-{number}") for number in range(4)]
    ids: list[int] = []
    asking = [threading.Thread(target=lambda c=c: ids.append(c.start(f"T{c.id}"))) for c in others]

    def explode(_work: Any) -> None:
        raise RuntimeError("a bug")

    def ask_for_trouble() -> None:
        with pytest.raises(RuntimeError):
            site.journal.perform(explode)

    failing = threading.Thread(target=ask_for_trouble)
    with site.one_batch(5):
        for thread in [*asking, failing]:
            thread.start()
    for thread in [*asking, failing]:
        thread.join()
    assert sorted(row.id for row in site.all(Transaction)) == sorted(ids)
    assert len(ids) == 4


def test_e9_a_new_process_goes_on_where_the_old_one_was_killed(
    site: Site, charger: ChargePoint, account: int
) -> None:
    id = charger.start()
    charger.meter(100, id)
    heir = Site(site.engine)
    successor = ChargePoint(heir, charger.id)
    successor.meter(250, id)
    successor.stop(id, 300)
    heir.end()
    assert site.spent(account) == 300


def test_e3_times_do_not_depend_on_the_clock_of_the_test(
    site: Site, charger: ChargePoint, clock: Clock
) -> None:
    clock.advance(days=400)
    id = charger.start(timestamp=iso(clock()))
    assert site.transaction(id).flags == ""
