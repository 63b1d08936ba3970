"""D of the specification, over a real socket: who may charge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import (
    add_driver,
    add_tag,
    ago,
    ask,
    authorized,
    meter,
    spent,
    start,
    started,
    stop,
    stored,
    transaction,
)  # fmt: skip
from tests.ocpp.staff import write
from tests.servers import RunningServer

pytestmark = pytest.mark.usefixtures("books")
Rows = Callable[..., list[dict[str, Any]]]
PAST, FUTURE = (stored(datetime.now(UTC) + timedelta(days=days)) for days in (-1, 1))


@pytest.fixture
def guarded(server: RunningServer, connect: Connect) -> ChargePoint:
    """A charger that asks for a tag."""
    cid = new_id("GUARDED")
    charger = connect(server, f"/{cid}")
    write(server, "UPDATE charger SET require_rfid = 1 WHERE charger_id = ?", cid)
    return charger


@pytest.fixture
def free(server: RunningServer, connect: Connect) -> ChargePoint:
    """A charger where anyone may charge."""
    return connect(server, f"/{new_id('FREE')}")


def refusals(rows: Rows, id_tag: str) -> list[tuple[str, str, str]]:
    """What staff see of a tag: (action, what was told, why)."""
    found = rows("SELECT action, status, reason FROM refusal WHERE id_tag = ? ORDER BY id", id_tag.upper())
    return [(row["action"], row["status"], row["reason"]) for row in found]


def both(told: str, why: str) -> list[tuple[str, str, str]]:
    return [("Authorize", told, why), ("StartTransaction", told, why)]


def asked(charger: ChargePoint, id_tag: str) -> set[str]:
    """What Authorize and StartTransaction say."""
    return {authorized(charger, id_tag), started(charger, id_tag)["idTagInfo"]["status"]}


def test_d1_tc_003_a_tag_with_credit_is_accepted(
    server: RunningServer, guarded: ChargePoint, rows: Rows
) -> None:
    account = add_driver(server)
    id_tag = add_tag(server, account)
    assert asked(guarded, id_tag) == {"Accepted"}
    assert refusals(rows, id_tag) == []


def test_d1_tc_023_1_an_unknown_tag_is_invalid(guarded: ChargePoint, rows: Rows) -> None:
    id_tag = new_id("NOBODY")
    assert asked(guarded, id_tag) == {"Invalid"}
    assert refusals(rows, id_tag) == both("Invalid", "unknown")


def test_d1_tc_023_2_an_expired_tag(server: RunningServer, guarded: ChargePoint, rows: Rows) -> None:
    id_tag = add_tag(server, add_driver(server), expires_at=PAST)
    assert asked(guarded, id_tag) == {"Expired"}
    assert refusals(rows, id_tag) == both("Expired", "expired")


def test_d1_tc_023_3_a_blocked_tag(server: RunningServer, guarded: ChargePoint, rows: Rows) -> None:
    id_tag = add_tag(server, None, allowed=False)
    assert asked(guarded, id_tag) == {"Blocked"}
    assert refusals(rows, id_tag) == both("Blocked", "blocked")


def test_d1_no_balance_is_blocked(server: RunningServer, guarded: ChargePoint, rows: Rows) -> None:
    for credit_wh in (0, -500):
        id_tag = add_tag(server, add_driver(server, credit_wh=credit_wh))
        assert asked(guarded, id_tag) == {"Blocked"}
        assert refusals(rows, id_tag) == both("Blocked", "no_credit")


def test_d1_tags_compare_without_case(server: RunningServer, guarded: ChargePoint) -> None:
    id_tag = add_tag(server, add_driver(server))
    assert asked(guarded, id_tag.lower()) == {"Accepted"}


def test_d1_expiry_and_parent_are_told(server: RunningServer, guarded: ChargePoint) -> None:
    id_tag = add_tag(server, add_driver(server), expires_at=FUTURE, parent="FAMILY")
    for action, payload in (
        ("Authorize", {"idTag": id_tag}),
        ("StartTransaction", {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": ago()}),
    ):
        info = ask(guarded, action, payload)["idTagInfo"]
        assert info["status"] == "Accepted"
        assert info["parentIdTag"] == "FAMILY"
        assert info["expiryDate"][:10] == FUTURE[:10]


def test_d1_any_text_may_be_a_tag(guarded: ChargePoint, free: ChargePoint) -> None:
    for id_tag in ("x" * 10_000, "a\x00b", "🔌" * 21, "\ud800", "' OR ''='", 12345678, True, ["CAFE"], None):
        assert authorized(guarded, id_tag) == "Invalid"
        assert authorized(free, id_tag) == "Accepted"


def test_d2_required_tags_must_be_known_allowed_owned_and_solvent(
    server: RunningServer, guarded: ChargePoint, rows: Rows
) -> None:
    ownerless, locked = add_tag(server, None), add_tag(server, add_driver(server, active=False))
    service = add_tag(server, add_driver(server, credit_wh=0, service=True))
    assert asked(guarded, ownerless) == {"Invalid"}
    assert asked(guarded, locked) == {"Blocked"}
    assert asked(guarded, service) == {"Accepted"}
    assert refusals(rows, ownerless) == both("Invalid", "no_owner")
    assert refusals(rows, locked) == both("Blocked", "owner_locked")


def test_d2_without_require_rfid_anyone_may_charge(
    server: RunningServer, free: ChargePoint, rows: Rows
) -> None:
    anyone = [new_id("STRANGER"), add_tag(server, None), add_tag(server, add_driver(server, credit_wh=0))]
    for id_tag in anyone:
        assert asked(free, id_tag) == {"Accepted"}
        assert refusals(rows, id_tag) == []


def test_d2_blocked_and_expired_are_refused_everywhere(server: RunningServer, free: ChargePoint) -> None:
    assert asked(free, add_tag(server, None, allowed=False)) == {"Blocked"}
    assert asked(free, add_tag(server, None, expires_at=PAST)) == {"Expired"}


def test_d2_an_unknown_tag_is_remembered_and_capped(
    server: RunningServer, free: ChargePoint, rows: Rows
) -> None:
    prefix = new_id("U")
    for number in range(105):
        authorized(free, f"{prefix}-{number}")
    authorized(free, f"{prefix}-104")
    sql = "SELECT id_tag, times FROM unknown_tag WHERE id_tag LIKE ? ORDER BY id"
    found = {row["id_tag"]: row["times"] for row in rows(sql, f"{prefix.upper()}-%")}
    assert len(found) == 100
    assert found[f"{prefix.upper()}-104"] == 2
    assert f"{prefix.upper()}-4" not in found
    assert rows("SELECT 1 FROM rfid WHERE rfid LIKE ?", f"{prefix.upper()}%") == []


def test_d3_one_running_transaction_a_tag(
    server: RunningServer, connect: Connect, free: ChargePoint, rows: Rows
) -> None:
    account = add_driver(server)
    id_tag = add_tag(server, account)
    other = connect(server, f"/{new_id()}")
    at = ago(seconds=5)
    first = start(free, id_tag, timestamp=at)
    assert authorized(other, id_tag) == "Accepted", "only a start can be one too many"
    refused = started(other, id_tag)
    assert (refused["transactionId"] > first, refused["idTagInfo"]["status"]) == (True, "ConcurrentTx")
    assert transaction(server, refused["transactionId"])["refused"] == "concurrent"
    assert refusals(rows, id_tag) == [("StartTransaction", "ConcurrentTx", "concurrent")]
    assert started(free, id_tag, timestamp=at) == {
        "transactionId": first,
        "idTagInfo": {"status": "Accepted"},
    }
    stop(free, first, 1000)
    start(other, id_tag)
    assert spent(server, account) == 1000


def test_d3_a_service_account_charges_many_at_once(server: RunningServer, connect: Connect) -> None:
    id_tag = add_tag(server, add_driver(server, service=True))
    for _ in range(3):
        start(connect(server, f"/{new_id()}"), id_tag)


def test_d3_a_silent_chargers_transaction_does_not_count(
    server: RunningServer, connect: Connect, free: ChargePoint
) -> None:
    id_tag = add_tag(server, add_driver(server))
    first = start(free, id_tag)
    free.hang_up()
    silent = stored(datetime.now(UTC) - timedelta(minutes=16))
    sql = (
        "UPDATE charger SET last_seen = ? WHERE id = (SELECT charger_id FROM charge_transaction WHERE id = ?)"
    )
    write(server, sql, silent, first)
    start(connect(server, f"/{new_id()}"), id_tag)


def test_d4_tc_068_the_same_tag_stops(server: RunningServer, guarded: ChargePoint) -> None:
    account = add_driver(server)
    id_tag = add_tag(server, account)
    id = start(guarded, id_tag)
    meter(guarded, 400, id)
    assert stop(guarded, id, 500, idTag=id_tag.lower())["idTagInfo"]["status"] == "Accepted"
    assert spent(server, account) == 500


def test_d4_tc_069_a_tag_of_the_same_parent_stops(server: RunningServer, guarded: ChargePoint) -> None:
    account = add_driver(server)
    id_tag, kid = add_tag(server, account, parent="FAMILY"), add_tag(server, None, parent="FAMILY")
    stranger = add_tag(server, None, parent="OTHERS")
    id = start(guarded, id_tag)
    info = stop(guarded, id, 500, idTag=kid)["idTagInfo"]
    assert info == {"status": "Accepted", "parentIdTag": "FAMILY"}
    assert (spent(server, account), transaction(server, id)["stop_id_tag"]) == (500, kid)
    id = start(guarded, id_tag, meterStart=500)
    assert stop(guarded, id, 600, idTag=stranger)["idTagInfo"]["status"] == "Invalid"
    assert transaction(server, id)["stopped_at"], "a stop is never refused"
