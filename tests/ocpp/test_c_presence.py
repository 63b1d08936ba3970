"""C of the specification, over a real socket: boot, heartbeat, presence, status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.ocpp.charge_point import new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import BOOT, ago, ask, start, started, status, stored
from tests.ocpp.staff import Api, eventually, make_token, read, write
from tests.servers import RunningServer, running_server

pytestmark = pytest.mark.usefixtures("books")
Rows = Callable[..., list[dict[str, Any]]]
NINE = (
    "Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved",
    "Unavailable", "Faulted",
)  # fmt: skip


def register(server: RunningServer, connect: Connect, status: str) -> str:
    """A charger that has been here, and that staff gave this registration status; its id."""
    cid = new_id(status)
    connect(server, f"/{cid}").close()
    write(server, "UPDATE charger SET registration_status = ? WHERE charger_id = ?", status, cid)
    return cid


def last_seen(rows: Rows, cid: str) -> str:
    return str(rows("SELECT last_seen FROM charger WHERE charger_id = ?", cid)[0]["last_seen"])


def test_c1_tc_001_cold_boot(server: RunningServer, connect: Connect, rows: Rows) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    answer = ask(charger, "BootNotification", BOOT)
    assert answer["status"] == "Accepted"
    assert answer["interval"] == 300
    told = datetime.fromisoformat(answer["currentTime"])
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=5)
    assert answer["currentTime"].endswith("Z")
    for connector in (0, 1, 2):
        status(charger, "Available", connector)
    found = rows("SELECT connector_id, status FROM connector c JOIN charger p ON p.id = c.charger_id "
                 "WHERE p.charger_id = ? ORDER BY connector_id", cid)  # fmt: skip
    assert found == [{"connector_id": number, "status": "Available"} for number in (0, 1, 2)]


def test_c1_what_boot_tells_is_stored_whole(server: RunningServer, connect: Connect, rows: Rows) -> None:
    cid = new_id()
    told = {
        "chargePointVendor": "V" * 300, "chargePointModel": "Mödel 🔌", "chargePointSerialNumber": "S" * 5000,
        "firmwareVersion": "1.0\x00beta", "iccid": 8934, "vendorExtra": {"a": [1]},
    }  # fmt: skip
    assert ask(connect(server, f"/{cid}"), "BootNotification", told)["status"] == "Accepted"
    (row,) = rows(
        "SELECT vendor, model, serial_number, firmware_version, boot FROM charger WHERE charger_id = ?", cid
    )
    assert (row["vendor"], row["model"], row["serial_number"]) == ("V" * 300, "Mödel 🔌", "S" * 5000)
    assert row["firmware_version"] == "1.0\ufffdbeta"
    assert '"vendorExtra":{"a":[1]}' in row["boot"]
    assert '"iccid":8934' in row["boot"]


def test_c1_boot_without_anything_is_served(server: RunningServer, connect: Connect) -> None:
    assert ask(connect(server, f"/{new_id()}"), "BootNotification", {})["status"] == "Accepted"


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_c2_tc_002_who_is_not_registered_is_answered_but_may_not_start(
    server: RunningServer, connect: Connect, rows: Rows, registration: str
) -> None:
    cid = register(server, connect, registration)
    charger = connect(server, f"/{cid}")
    answer = ask(charger, "BootNotification", BOOT)
    assert (answer["status"], answer["interval"] > 0) == (registration, True)
    assert ask(charger, "Heartbeat")["currentTime"]
    assert ask(charger, "Authorize", {"idTag": "CAFE"})["idTagInfo"]["status"] == "Accepted"
    refused = started(charger, "CAFE")
    assert (refused["transactionId"] > 0, refused["idTagInfo"]["status"]) == (True, "Invalid")
    (row,) = rows(
        "SELECT reason, status FROM refusal r JOIN charger c ON c.id = r.charger_id WHERE c.charger_id = ?",
        cid,
    )
    assert row == {"reason": "not_registered", "status": "Invalid"}


def test_c2_pending_is_sent_configuration_and_triggers_but_no_remote_start(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    cid = register(server, connect, "Pending")
    charger = connect(server, f"/{cid}")
    ask(charger, "BootNotification", BOOT)
    replies = {
        "GetConfiguration": {"configurationKey": []}, "ChangeConfiguration": {"status": "Accepted"},
        "TriggerMessage": {"status": "Accepted"},
    }  # fmt: skip
    with charger.serving(replies) as calls:
        assert api.action(cid, "GetConfiguration", payload={})[0] == 200
        assert (
            api.action(cid, "ChangeConfiguration", payload={"key": "HeartbeatInterval", "value": "5"})[0]
            == 200
        )
        assert api.action(cid, "TriggerMessage", payload={"requestedMessage": "BootNotification"})[0] == 200
        assert api.action(cid, "RemoteStartTransaction", payload={"idTag": "CAFE"})[0] >= 400
        assert api.action(cid, "RemoteStopTransaction", payload={"transactionId": 1})[0] >= 400
    assert [call[2] for call in calls] == ["GetConfiguration", "ChangeConfiguration", "TriggerMessage"]


def test_c2_rejected_is_sent_nothing(server: RunningServer, connect: Connect, api: Api) -> None:
    cid = register(server, connect, "Rejected")
    charger = connect(server, f"/{cid}")
    ask(charger, "BootNotification", BOOT)
    assert api.action(cid, "GetConfiguration", payload={})[0] >= 400
    assert api.action(cid, "RemoteStartTransaction", payload={"idTag": "CAFE"})[0] >= 400
    assert charger.is_silent()


def test_c3_any_message_refreshes_last_seen(
    server: RunningServer, connect: Connect, api: Api, rows: Rows
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    seen = [""]
    for action, payload in [
        ("BootNotification", BOOT),
        ("Heartbeat", {}),
        ("Authorize", {"idTag": "X"}),
        ("Nope", {}),
    ]:
        charger.ask(action, payload)
        seen.append(last_seen(rows, cid))
    with charger.serving({"Reset": {"status": "Accepted"}}):
        assert api.action(cid, "reset")[0] == 200
    eventually(lambda: last_seen(rows, cid) > seen[-1])
    seen.append(last_seen(rows, cid))
    charger.send("no JSON at all")
    eventually(lambda: last_seen(rows, cid) > seen[-1])
    assert seen == sorted(set(seen))


def test_c3_connected_and_since_when(server: RunningServer, connect: Connect, api: Api) -> None:
    cid = new_id()

    def connected() -> bool:
        return bool(api.get(f"/ocpp/chargers/{cid}/")[1]["connected"])

    first = connect(server, f"/{cid}")
    first.ask("Heartbeat")
    assert connected()
    second = connect(server, f"/{cid}")
    assert first.closed().code == 1000
    second.ask("Heartbeat")
    assert connected(), "the old socket's end is not the charger's"
    second.hang_up()
    eventually(lambda: not connected())


@pytest.mark.slow
def test_c3_presence_is_true_after_a_crash(tmp_path: Path, connect: Connect) -> None:
    with running_server(tmp_path) as server:
        api, cid = Api(server, make_token(server)), new_id()
        connect(server, f"/{cid}").ask("BootNotification", BOOT)
        assert api.get(f"/ocpp/chargers/{cid}/")[1]["connected"]
        server.kill()
        server.start()
        assert not api.get(f"/ocpp/chargers/{cid}/")[1]["connected"]
        connect(server, f"/{cid}").ask("Heartbeat")
        assert api.get(f"/ocpp/chargers/{cid}/")[1]["connected"]


def test_c4_nine_statuses(server: RunningServer, connect: Connect, rows: Rows, api: Api) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    for number, word in enumerate(NINE, start=1):
        status(charger, word, number)
    sql = """SELECT status FROM connector c JOIN charger p ON p.id = c.charger_id
             WHERE p.charger_id = ? ORDER BY connector_id"""
    found = rows(sql, cid)
    assert tuple(row["status"] for row in found) == NINE
    shown = api.get(f"/ocpp/chargers/{cid}/")[1]["connectors"]
    assert [connector["status"] for connector in shown] == list(NINE)


def test_c4_an_older_status_never_overwrites_a_newer(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    status(charger, "Charging", timestamp=ago(minutes=1), vendorErrorCode="E1", info="hot", vendorId="Acme")
    status(charger, "Available", timestamp=ago(minutes=2))
    status(charger, "Available", timestamp="1999-12-31T23:59:59Z", connectorId=2)
    sql = """SELECT connector_id, status, vendor_error_code, info, vendor_id FROM connector c
             JOIN charger p ON p.id = c.charger_id WHERE p.charger_id = ? ORDER BY connector_id"""
    assert [tuple(row.values()) for row in rows(sql, cid)] == [
        (1, "Charging", "E1", "hot", "Acme"), (2, "Available", "", "", ""),
    ]  # fmt: skip


def test_c4_connector_numbers_are_bounded(
    server: RunningServer, connect: Connect, rows: Rows, api: Api
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    for number in (1_600_000_000, 2**31, 2**63, 10**40, -1, "many", None):
        status(charger, "Available", connectorId=number)
        start(charger, "CAFE", connectorId=number)
        ask(charger, "MeterValues", {"connectorId": number, "meterValue": []})
    sql = "SELECT connector_id FROM connector c JOIN charger p ON p.id = c.charger_id WHERE p.charger_id = ?"
    assert {row["connector_id"] for row in rows(sql, cid)} <= {0, 1}
    assert api.get(f"/ocpp/chargers/{cid}/")[0] == 200
    assert api.get("/ocpp/chargers/")[0] == 200


def test_c4_times_of_ours_are_stored_in_utc(server: RunningServer, connect: Connect, rows: Rows) -> None:
    cid = new_id()
    before = stored(datetime.now(UTC))
    connect(server, f"/{cid}").ask("BootNotification", BOOT)
    (row,) = read(server, "SELECT booted_at, last_seen, created_at FROM charger WHERE charger_id = ?", cid)
    assert before <= row["created_at"] <= row["booted_at"] <= row["last_seen"] <= stored(datetime.now(UTC))
