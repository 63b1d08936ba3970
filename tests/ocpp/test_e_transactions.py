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


def test_e8_what_staff_edit_counts_at_once(server: RunningServer, charger: ChargePoint, tag: str) -> None:
    start(charger, tag)
    write(server, "UPDATE rfid SET allowed = 0, user_id = NULL WHERE rfid = ?", tag)
    assert started(charger, tag)["idTagInfo"]["status"] == "Blocked"
