"""E5 to E7 of the specification, over a real socket: ends, retries, and what comes out of order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import (
    add_driver,
    add_tag,
    ago,
    ask,
    meter,
    spent,
    start,
    stop,
    transaction,
)  # fmt: skip
from tests.servers import RunningServer

pytestmark = pytest.mark.usefixtures("books")
Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def charger(server: RunningServer, connect: Connect) -> ChargePoint:
    """One where anyone may charge."""
    return connect(server, f"/{new_id()}")


@pytest.fixture
def account(server: RunningServer) -> int:
    """A driver's."""
    return add_driver(server)


@pytest.fixture
def tag(server: RunningServer, account: int) -> str:
    """That driver's."""
    return add_tag(server, account)


def flags(server: RunningServer, id: int) -> set[str]:
    return set(transaction(server, id)["flags"].split())


def odd_stops(rows: Rows, id: int) -> list[dict[str, Any]]:
    """The quarantine of the charger whose transaction this is."""
    sql = """SELECT why, claimed_id, payload FROM odd_stop
             WHERE charger_id = (SELECT charger_id FROM charge_transaction WHERE id = ?) ORDER BY id"""
    return rows(sql, id)


def test_e5_every_stop_is_answered_and_what_fits_nothing_is_kept(
    server: RunningServer, connect: Connect, charger: ChargePoint, tag: str, account: int, rows: Rows
) -> None:
    other = connect(server, f"/{new_id()}")
    foreign = start(other, tag)
    mine = start(charger, "CAFE", connectorId=9)
    for claimed in (2_000_000_000, -1, 0, foreign, 2**31, 10**30, "abc", None):
        stop(charger, claimed, 100)
    assert ask(charger, "StopTransaction", {}) == {}
    assert transaction(server, foreign)["stopped_at"] is None
    assert transaction(server, mine)["stopped_at"] is None
    found = [(row["claimed_id"], row["why"]) for row in odd_stops(rows, mine)]
    assert found[:4] == [
        ("2000000000", "unknown"), ("-1", "not_positive"), ("0", "not_positive"), (str(foreign), "foreign"),
    ]  # fmt: skip
    assert {why for _, why in found[4:]} == {"unknown", "missing"}
    assert len(found) == 9
    assert spent(server, account) == 0


def test_e5_a_retry_changes_nothing(
    server: RunningServer, charger: ChargePoint, tag: str, account: int, rows: Rows
) -> None:
    id = start(charger, tag)
    first = stop(charger, id, 700, idTag=tag, reason="EVDisconnected")
    before = transaction(server, id)
    assert stop(charger, id, 9000, idTag=tag, reason="Reboot") == first
    assert transaction(server, id) == before
    odd = {"transactionId": 1_999_999_999, "meterStop": 5, "timestamp": ago(hours=1)}
    for _ in range(3):
        ask(charger, "StopTransaction", odd)
    assert len(odd_stops(rows, id)) == 1


def test_e5_tc_005_1_no_tag_and_no_reason(server: RunningServer, charger: ChargePoint) -> None:
    id = start(charger, "CAFE")
    assert ask(charger, "StopTransaction", {"transactionId": id, "meterStop": 5, "timestamp": ago()}) == {}
    assert transaction(server, id)["stop_reason"] == "Local"
    id = start(charger, "CAFE")
    stop(charger, id, 5, reason="EVDisconnected")
    assert transaction(server, id)["stop_reason"] == "EVDisconnected"


@pytest.mark.parametrize(
    ("meter_stop", "energy_wh", "flag"),
    [
        (999, 500, "meter_backwards"),
        (-(10**30), 500, "no_meter_stop"),
        (None, 500, "no_meter_stop"),
        ("1800", 800, ""),
    ],
)
def test_e5_energy_is_never_negative(
    server: RunningServer,
    charger: ChargePoint,
    tag: str,
    account: int,
    meter_stop: Any,
    energy_wh: int,
    flag: str,
) -> None:
    id = start(charger, tag, meterStart=1000)
    meter(charger, 1500, id)
    stop(charger, id, meter_stop)
    assert transaction(server, id)["energy_wh"] == spent(server, account) == energy_wh
    assert transaction(server, id)["flags"] == flag


def test_e5_malformed_transaction_data(server: RunningServer, charger: ChargePoint) -> None:
    for number, told in enumerate((5, "x", [None], [{"timestamp": 1}], [{"sampledValue": "x"}]), start=1):
        id = start(charger, "CAFE", meterStart=number)
        stop(charger, id, number + 10, transactionData=told)
        assert transaction(server, id)["energy_wh"] == 10


def test_e6_transaction_data_become_readings_once(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    told = [
        {"timestamp": ago(), "sampledValue": [{"value": "0.5", "unit": "kWh", "context": "Transaction.End"}]}
    ]
    for _ in range(3):
        stop(charger, id, 500, transactionData=told)
    found = rows("SELECT value, raw_value, context FROM meter_reading WHERE transaction_id = ?", id)
    assert found == [{"value": 500, "raw_value": "0.5", "context": "Transaction.End"}]


def test_e7_meter_values_find_the_running_transaction(
    server: RunningServer, charger: ChargePoint, tag: str, account: int
) -> None:
    id = start(charger, tag, connectorId=2)
    for number, claimed in enumerate((None, 0, -1, 1_999_999_999), start=1):
        meter(charger, number * 100, claimed, connectorId=2)
        assert spent(server, account) == number * 100
    meter(charger, 9000, None, connectorId=0)
    meter(charger, 9000, None, connectorId=1)
    assert spent(server, account) == 400
    stop(charger, id, 450)


def test_e7_tc_039_a_whole_session_days_late_beside_a_running_one(
    server: RunningServer, charger: ChargePoint, tag: str, account: int
) -> None:
    now = start(charger, "CAFE")
    late = start(charger, tag, timestamp=ago(days=3))
    meter(charger, 500, late, at=ago(days=3, minutes=-5))
    stop(charger, late, 900, timestamp=ago(days=3, minutes=-60))
    assert transaction(server, now)["stopped_at"] is None
    assert (flags(server, late), spent(server, account)) == ({"late"}, 900)


def test_e7_a_stop_before_its_start(server: RunningServer, charger: ChargePoint, rows: Rows) -> None:
    stop(charger, 1_888_888_888, 500)
    id = start(charger, "CAFE", timestamp=ago(hours=1))
    assert transaction(server, id)["stopped_at"] is None
    assert [row["claimed_id"] for row in odd_stops(rows, id)] == ["1888888888"]


def test_e7_connector_0(server: RunningServer, charger: ChargePoint) -> None:
    id = start(charger, "CAFE", connectorId=0)
    meter(charger, 50, None, connectorId=0)
    stop(charger, id, 60)
    assert (transaction(server, id)["energy_wh"], flags(server, id)) == (60, {"odd_connector"})


def test_e5_strict_mode_names_what_is_wrong_and_stores_nothing_else(
    strict_server: RunningServer, connect: Connect
) -> None:
    charger = connect(strict_server, f"/{new_id()}")
    at = ago()
    assert charger.ask("StopTransaction", {"transactionId": 1})[2] == "OccurenceConstraintViolation"
    wrong = {"transactionId": 1, "meterStop": 5, "timestamp": at, "transactionData": "x"}
    assert charger.ask("StopTransaction", wrong)[2] == "TypeConstraintViolation"
    ok = {"transactionId": 1, "meterStop": 5, "timestamp": at}
    assert ask(charger, "StopTransaction", ok) == {}
