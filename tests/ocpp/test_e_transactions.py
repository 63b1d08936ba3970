"""E of the specification, over a real socket: transactions, in order and out of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import (
    BOOT,
    add_driver,
    add_tag,
    ago,
    ask,
    authorized,
    check_books,
    meter,
    spent,
    start,
    started,
    status,
    stop,
    transaction,
)  # fmt: skip
from tests.ocpp.staff import Api, write
from tests.servers import RunningServer, running_server

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


def test_e1_tc_004_1_a_regular_session(
    server: RunningServer, charger: ChargePoint, tag: str, account: int, api: Api
) -> None:
    ask(charger, "BootNotification", BOOT)
    status(charger, "Available")
    assert authorized(charger, tag) == "Accepted"
    status(charger, "Preparing")
    id = start(charger, tag, meterStart=1000)
    status(charger, "Charging")
    for register in (1500, 2500, 4000):
        meter(charger, register, id)
        assert spent(server, account) == register - 1000, "the balance falls live"
    status(charger, "Finishing")
    assert stop(charger, id, 4200, idTag=tag)["idTagInfo"]["status"] == "Accepted"
    status(charger, "Available")
    assert spent(server, account) == 3200
    code, told = api.get(f"/ocpp/transactions/{id}/")
    assert (code, told["energy_wh"], told["running"], told["flags"]) == (200, 3200, False, [])


def test_e1_a_refused_start_has_an_id_too(server: RunningServer, charger: ChargePoint, rows: Rows) -> None:
    blocked = add_tag(server, None, allowed=False)
    answer = started(charger, blocked)
    assert answer["idTagInfo"]["status"] == "Blocked"
    row = transaction(server, answer["transactionId"])
    assert (row["refused"], row["id_tag"]) == ("blocked", blocked)


def test_e1_tc_037_3_a_session_that_was_refused_is_stopped(
    server: RunningServer, charger: ChargePoint
) -> None:
    blocked = add_tag(server, None, allowed=False)
    answer = started(charger, blocked, timestamp=ago(hours=1))
    stop(charger, answer["transactionId"], 300, reason="DeAuthorized", idTag=blocked)
    row = transaction(server, answer["transactionId"])
    assert (row["energy_wh"], row["stop_reason"], row["refused"]) == (300, "DeAuthorized", "blocked")


def test_e1_the_seeds_own_start_is_served(charger: ChargePoint) -> None:
    assert ask(charger, "StartTransaction", {"meterStart": 10})["idTagInfo"]["status"] == "Accepted"
    assert ask(charger, "StartTransaction", {"meterStart": 10, "idTag": "not hex"})["transactionId"] > 0


def test_e2_ids_are_unique_over_chargers_connectors_and_threads(
    server: RunningServer, connect: Connect
) -> None:
    chargers = [connect(server, f"/{new_id()}") for _ in range(10)]

    def starts(charger: ChargePoint) -> list[int]:
        return [start(charger, "CAFE", connectorId=number) for number in range(1, 6)]

    with ThreadPoolExecutor(10) as pool:
        ids = [id for found in pool.map(starts, chargers) for id in found]
    assert len(set(ids)) == 50
    assert all(0 < id < 2**31 for id in ids)


@pytest.mark.parametrize(
    ("timestamp", "kept", "flag"),
    [
        ("2026-03-01T10:00:00", "2026-03-01 10:00:00.000000", ""),
        ("2026-03-01T10:00:00+05:30", "2026-03-01 04:30:00.000000", ""),
        ("2026-03-01t10:00:00.1234567z", "2026-03-01 10:00:00.123456", ""),
        ("1970-01-01T00:00:00Z", "1970-01-01 00:00:00.000000", "clock_unset"),
        ("2126-01-01T00:00:00Z", "2126-01-01 00:00:00.000000", "clock_ahead"),
    ],
)
def test_e3_the_chargers_times_count(
    server: RunningServer, charger: ChargePoint, timestamp: str, kept: str, flag: str
) -> None:
    id = start(charger, "CAFE", timestamp=timestamp)
    stop(charger, id, 5, timestamp=timestamp)
    row = transaction(server, id)
    assert (row["started_at"], row["stopped_at"], row["flags"]) == (kept, kept, flag)
    assert "2026-" in row["received_at"] or row["received_at"] > "2026"
    assert row["received_at"] <= row["stop_received_at"]


def test_e3_the_end_of_time_is_served(server: RunningServer, charger: ChargePoint, api: Api) -> None:
    for timestamp in (
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "",
    ):
        id = start(charger, "CAFE", timestamp=timestamp)
        meter(charger, 5, id, at=timestamp)
        stop(charger, id, 5, timestamp=timestamp)
        assert flags(server, id) & {"clock_ahead", "clock_unset", "no_clock"}
        assert api.get(f"/ocpp/transactions/{id}/")[0] == 200


def test_e4_the_same_start_again_is_the_same_transaction(
    server: RunningServer, connect: Connect, tag: str, account: int, rows: Rows
) -> None:
    cid, at = new_id(), ago(minutes=5)
    charger = connect(server, f"/{cid}")
    first = started(charger, tag, timestamp=at, meterStart=50)
    assert started(charger, tag, timestamp=at, meterStart=50) == first
    meter(charger, 150, first["transactionId"])
    charger.hang_up()
    charger = connect(server, f"/{cid}")
    assert started(charger, tag, timestamp=at, meterStart=50) == first, "after a reconnect"
    stop(charger, first["transactionId"], 250)
    assert started(charger, tag, timestamp=at, meterStart=50) == first, "after its stop"
    assert len(rows("SELECT id FROM charge_transaction WHERE id_tag = ?", tag)) == 1
    assert transaction(server, first["transactionId"])["stopped_at"]
    assert spent(server, account) == 200
    assert started(charger, tag, timestamp=ago(), meterStart=250)["transactionId"] > first["transactionId"]


def test_e4_the_same_start_and_message_id_on_one_connection(
    charger: ChargePoint, tag: str, rows: Rows
) -> None:
    payload = {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": ago()}
    assert charger.ask("StartTransaction", payload, "same") == charger.ask(
        "StartTransaction", payload, "same"
    )
    assert len(rows("SELECT id FROM charge_transaction WHERE id_tag = ?", tag)) == 1


def test_e4_meter_values_are_not_deduplicated(charger: ChargePoint, rows: Rows) -> None:
    id, at = start(charger, "CAFE"), ago()
    meter(charger, 5, id, at)
    meter(charger, 5, id, at)
    assert len(rows("SELECT id FROM meter_reading WHERE transaction_id = ?", id)) == 2


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


def test_e8_two_connectors_at_once(server: RunningServer, charger: ChargePoint, tag: str) -> None:
    one, two = start(charger, tag, connectorId=1), start(charger, "CAFE", connectorId=2)
    meter(charger, 100, None, connectorId=1)
    meter(charger, 200, None, connectorId=2)
    stop(charger, one, 150)
    assert transaction(server, two)["stopped_at"] is None
    stop(charger, two, 250)
    assert [transaction(server, id)["energy_wh"] for id in (one, two)] == [150, 250]


def test_e8_tc_032_1_a_start_ends_what_never_stopped(
    server: RunningServer, charger: ChargePoint, tag: str, account: int
) -> None:
    old = start(charger, tag, timestamp=ago(hours=2))
    meter(charger, 600, old)
    new = start(charger, "CAFE", meterStart=700)
    row = transaction(server, old)
    assert (row["energy_wh"], row["flags"], spent(server, account)) == (600, "stale", 600)
    stop(charger, old, 650, reason="PowerLoss", timestamp=ago(hours=1))
    row = transaction(server, old)
    assert (row["energy_wh"], row["flags"], row["stop_reason"]) == (650, "was_stale", "PowerLoss")
    assert transaction(server, new)["stopped_at"] is None


def test_e8_staff_close_one_by_hand(
    server: RunningServer, charger: ChargePoint, tag: str, account: int, api: Api
) -> None:
    id = start(charger, tag)
    meter(charger, 600, id)
    assert api.post(f"/ocpp/transactions/{id}/close/", {})[0] == 200
    assert (flags(server, id), spent(server, account)) == ({"closed_by_staff"}, 600)
    assert api.post(f"/ocpp/transactions/{id}/close/", {})[0] == 400
    assert api.post("/ocpp/transactions/1999999999/close/", {})[0] == 404


def test_e9_tc_036_a_connection_lost_and_found_while_charging(
    server: RunningServer, connect: Connect, tag: str, account: int
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    id = start(charger, tag)
    charger.hang_up()
    charger = connect(server, f"/{cid}")
    meter(charger, 300, id, at=ago(minutes=2))
    meter(charger, 400, id)
    stop(charger, id, 500)
    assert spent(server, account) == 500


@pytest.mark.slow
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_e9_the_server_restarts_mid_charge(tmp_path: Path, connect: Connect, how: str) -> None:
    with running_server(tmp_path) as server:
        account = add_driver(server)
        tag, cid = add_tag(server, account), new_id()
        charger = connect(server, f"/{cid}")
        id = start(charger, tag)
        meter(charger, 300, id)
        server.kill() if how == "kill" else server.stop()
        assert charger.closed().code == (1006 if how == "kill" else 1001)
        server.start()
        charger = connect(server, f"/{cid}")
        assert spent(server, account) == 300, "what was acknowledged is there"
        stop(charger, id, 500)
        assert start(charger, tag, meterStart=500) > id
        check_books(server)


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


def test_e8_what_staff_edit_counts_at_once(server: RunningServer, charger: ChargePoint, tag: str) -> None:
    start(charger, tag)
    write(server, "UPDATE rfid SET allowed = 0, user_id = NULL WHERE rfid = ?", tag)
    assert started(charger, tag)["idTagInfo"]["status"] == "Blocked"
