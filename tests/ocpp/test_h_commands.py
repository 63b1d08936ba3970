"""Our calls (H), their order and ends (B6, B7), what a registration forbids (C2): from the JSON address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig
from app.blueprints.ocpp.wire import V16
from tests.ocpp import answers
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.ordered import COMMANDS, bodies
from tests.ocpp.staff import Api, eventually, write
from tests.servers import RunningServer

Rows = Callable[..., list[dict[str, Any]]]
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
ACCEPTED = {"status": "Accepted"}
# What a command of the raw client is answered, where its standard answer is not just a status.
ANSWERS: dict[str, dict[str, Any]] = {
    "GetConfiguration": {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "120"}],
        "unknownKey": ["Nonsense"],
    },
    "GetDiagnostics": {"fileName": "día.log"},
    "GetLocalListVersion": {"listVersion": -1},
    "UnlockConnector": {"status": "Unlocked"},
    "UpdateFirmware": {},
}


@pytest.fixture
def charger(server: RunningServer, connect: Connect) -> Callable[..., tuple[str, ChargePoint]]:
    """Connect a charge point that has booted."""

    def booted(boot: bool = True) -> tuple[str, ChargePoint]:
        id = new_id()
        point = connect(server, f"/ocpp/{id}")
        if boot:
            assert point.ask("BootNotification", BOOT)[2]["status"] == "Accepted"
        return id, point

    return booted


Booted = Callable[..., tuple[str, ChargePoint]]


@contextmanager
def ordering() -> Iterator[Callable[..., Future[tuple[int, Any]]]]:
    """Order commands without waiting for their answers."""
    with ThreadPoolExecutor(16) as pool:
        yield pool.submit


# H1: every command, both spellings, two clients


@pytest.mark.parametrize("action", COMMANDS)
def test_h1_every_command_is_answered_with_the_chargers_own_answer(
    action: str, charger: Booted, api: Api, rows: Rows
) -> None:
    """TC_013, TC_014, TC_017_1, TC_019_1, TC_021, TC_042_1, TC_043_1, TC_044_1, TC_045_1, TC_051, TC_054."""
    id, point = charger()
    answer = ANSWERS.get(action, ACCEPTED)
    with point.serving({action: answer}) as received:
        for number, body in enumerate(bodies(action).values()):
            status, told = api.post(f"/ocpp/chargers/{id}/action/", body)
            assert (status, told["response"]) == (200, answer), told
            assert json.loads(told["sent"]) == received[number]
            assert received[number][2:] == [action, COMMANDS[action]]
            assert list(received[number][3]) == list(V16.in_order(action, COMMANDS[action]))  # B8
            assert told["sent"] == json.dumps(received[number], separators=(",", ":"), ensure_ascii=False)
    assert len({message[1] for message in received}) == len(received)
    row = outgoing(rows, id, len(received))[0]
    assert (row["action"], row["message_id"]) == (action, received[0][1])
    assert json.loads(row["answer"]) == [3, received[0][1], answer]


def outgoing(rows: Rows, charger_id: str, count: int) -> list[dict[str, Any]]:
    """The message log's rows of our calls, when there are so many."""
    sql = """SELECT m.* FROM ocpp_message m JOIN charger c ON c.id = m.charger_id
             WHERE c.charger_id = ? AND m.direction = 'out' ORDER BY m.id"""
    eventually(lambda: len(rows(sql, charger_id)) == count)
    return rows(sql, charger_id)


@pytest.fixture
def simulator(server: RunningServer) -> Iterator[str]:
    """The id of a charge point of software that has booted and waits for commands."""
    id = new_id("SIM")
    simulator = ChargePointSimulator(
        SimulatorConfig(ws_port=server.port, cp_path=f"ocpp/{id}", autostart=False, interval=0.2, duration=30)
    )
    simulator.start()
    try:
        eventually(lambda: simulator.is_connected)
        yield id
    finally:
        assert simulator.stop()


@pytest.mark.parametrize("action", COMMANDS)
def test_h1_an_independent_client_understands_every_command(action: str, simulator: str, api: Api) -> None:
    """TC_061, TC_062, TC_066, TC_067, TC_075_1, TC_079."""
    for spelling in ("standard", "snake"):
        status, told = api.post(f"/ocpp/chargers/{simulator}/action/", bodies(action)[spelling])
        assert status == 200, told
        answers.result(action, [3, "id", told["response"]])
        if action == "Reset":
            return  # it reboots


def test_h1_a_charge_by_command(simulator: str, api: Api) -> None:
    """TC_010, TC_012: remote start and remote stop, the latter without saying which."""
    eventually(lambda: api.get(f"/ocpp/chargers/{simulator}/")[1]["connectors"])
    assert api.action(simulator, "remote_stop") == (404, {"detail": "no transaction"})

    status, told = api.action(simulator, "remote_start", id_tag="CAFE", connector_id=1)
    assert (status, told["response"]) == (200, ACCEPTED)
    running = eventually(lambda: api.get(f"/ocpp/chargers/{simulator}/")[1]["transaction"])
    assert "stopTime" not in running

    status, told = api.action(simulator, "remote_stop")
    assert (status, told["response"]) == (200, ACCEPTED)
    assert json.loads(told["sent"])[3] == {"transactionId": running["transactionId"]}
    eventually(lambda: "stopTime" in api.get(f"/ocpp/chargers/{simulator}/")[1]["transaction"])
    assert api.action(simulator, "remote_stop") == (404, {"detail": "no transaction"})


def test_h1_a_refused_remote_start_is_the_chargers_answer(charger: Booted, api: Api) -> None:
    """TC_026, TC_028, TC_030."""
    id, point = charger()
    rejected, failed = {"status": "Rejected"}, {"status": "UnlockFailed"}
    with point.serving({"RemoteStartTransaction": rejected, "UnlockConnector": failed}):
        assert api.action(id, "remote_start", id_tag="CAFE")[1]["response"] == rejected
        assert api.action(id, "unlock", connector_id=1)[1]["response"] == failed


def test_h1_a_reset_without_a_kind_is_soft(charger: Booted, api: Api) -> None:
    id, point = charger()
    with point.serving({"Reset": ACCEPTED}) as received:
        assert api.action(id, "reset")[0] == 200
        assert api.action(id, "reset", type="Hard")[0] == 200
        assert api.post(f"/ocpp/chargers/{id}/action/", {"action": "Reset", "payload": {}})[0] == 400
    assert [message[3] for message in received] == [{"type": "Soft"}, {"type": "Hard"}]


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("remote_start", {}, "idTag"),
    ("remote_start", {"id_tag": ""}, "idTag"),
    ("remote_start", {"id_tag": "x" * 21}, "idTag"),
    ("remote_start", {"id_tag": 5}, "idTag"),
    ("remote_start", {"id_tag": "CAFE", "connector": 1}, "connector"),
    ("remote_start", {"id_tag": "CAFE", "connector_id": "first"}, "connectorId"),
    ("remote_start", {"id_tag": "CAFE", "connector_id": 1.5}, "connectorId"),
    ("RemoteStartTransaction", {"payload": {"idTag": "CAFE", "conector": 1}}, "conector"),
    ("RemoteStartTransaction", {"payload": {"id_tag": "CAFE"}}, "idTag"),
    ("RemoteStartTransaction", {"id_tag": "CAFE"}, "id_tag"),
    ("RemoteStartTransaction", {"payload": ["CAFE"]}, "payload"),
    ("RemoteStartTransaction", {"payload": None}, "payload"),
    ("remote_stop", {"transaction_id": "five"}, "transactionId"),
    ("RemoteStopTransaction", {"payload": {}}, "transactionId"),
    ("reset", {"type": "Medium"}, "type"),
    ("change_availability", {"type": "Operative"}, "connectorId"),
    ("change_configuration", {"key": "a" * 51, "value": "1"}, "key"),
    ("get_configuration", {"key": "HeartbeatInterval"}, "key"),
    (
        "set_charging_profile",
        {"connector_id": 1, "cs_charging_profiles": {"stack_level": 0}},
        "csChargingProfiles",
    ),
    (
        "reserve_now",
        {"connector_id": 1, "id_tag": "A", "reservation_id": 1, "expiry_date": "soon"},
        "expiryDate",
    ),
    ("data_transfer", {"vendor_id": "org.example", "data": {"a": 1}}, "data"),
    ("data_transfer", {"payload": {"vendorId": "org.example"}}, "payload"),
    ("reset", {"timeout": "soon"}, "timeout"),
    ("reset", {"timeout": -1}, "timeout"),
    ("reset", {"timeout": 1e9}, "timeout"),
    ("reset", {"timeout": 10**400}, "timeout"),
]


def test_h1_bad_parameters_are_named_and_nothing_is_sent(charger: Booted, api: Api) -> None:
    id, point = charger()
    for action, parameters, name in BAD:
        status, told = api.action(id, action, **parameters)
        assert status == 400, (action, parameters, told)
        assert name in told["detail"], (action, parameters)
    assert point.is_silent()


@pytest.mark.parametrize(
    "body", [{}, {"action": None}, {"action": 7}, {"action": "fly"}, {"action": "Heartbeat"}, 1]
)
def test_h1_an_unknown_action_is_refused(body: Any, charger: Booted, api: Api) -> None:
    id, point = charger()
    assert api.post(f"/ocpp/chargers/{id}/action/", body) == (400, {"detail": "unknown action"})
    assert point.is_silent(0.1)


def test_h1_a_configuration_key_may_be_emptied(charger: Booted, api: Api) -> None:
    id, point = charger()
    with point.serving({"ChangeConfiguration": ACCEPTED}) as received:
        assert api.action(id, "change_configuration", key="CpoName", value="")[0] == 200
    assert received[0][3] == {"key": "CpoName", "value": ""}


def test_h1_numbers_of_a_form_are_text_and_understood(charger: Booted, api: Api) -> None:
    id, point = charger()
    with point.serving({"UnlockConnector": {"status": "Unlocked"}}) as received:
        assert api.action(id, "unlock", connector_id="1")[0] == 200
    assert received[0][3] == {"connectorId": 1}


def test_h1_a_key_of_a_charger_is_never_logged(
    charger: Booted, api: Api, rows: Rows, server: RunningServer
) -> None:
    """TC_073."""
    id, point = charger()
    with point.serving({"ChangeConfiguration": ACCEPTED}) as received:
        for key in ("AuthorizationKey", "authorizationkey", "MeterValueSampleInterval"):
            assert api.action(id, "change_configuration", key=key, value="3ec2e7-not-for-you")[0] == 200
    assert [message[3]["value"] for message in received] == ["3ec2e7-not-for-you"] * 3

    messages = [row["request"] for row in outgoing(rows, id, 3)]
    assert ["3ec2e7" in text for text in messages] == [False, False, True]
    assert "AuthorizationKey" in messages[0]
    audited = rows("SELECT details FROM audit_entry WHERE subject_id = ? ORDER BY id", id)
    assert ["3ec2e7" in row["details"] for row in audited] == [False, False, True]
    assert "3ec2e7-not-for-you" not in server.output
    assert not any("3ec2e7" in file.read_text() for file in server.logs.glob("*.log"))


def test_h1_a_key_that_a_charger_tells_is_never_logged(charger: Booted, api: Api, rows: Rows) -> None:
    id, point = charger()
    told = [
        {"key": "authorizationKey", "readonly": False, "value": "3ec2e7-told"},
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
    ]
    with point.serving({"GetConfiguration": {"configurationKey": told}}):
        answer = api.action(id, "get_configuration")

    assert answer[1]["response"]["configurationKey"] == told
    [message] = outgoing(rows, id, 1)
    assert "3ec2e7" not in message["answer"]
    assert '"value":"300"' in message["answer"]


def test_h1_who_may_order(charger: Booted, server: RunningServer, api: Api) -> None:
    id, point = charger()
    assert Api(server).action(id, "reset")[0] == 401
    assert Api(server, "nonsense").action(id, "reset")[0] == 401
    assert point.is_silent(0.1)


# B6: one at a time, in order, and their ends


def test_b6_one_call_at_a_time_in_order(charger: Booted, api: Api) -> None:
    id, point = charger()
    with ordering() as order:
        answers_to_come = []
        for number in range(5):
            answers_to_come.append(order(api.action, id, "unlock", connector_id=number))
            time.sleep(0.1)
        for number in range(5):
            call = point.next_call("UnlockConnector")
            assert call[3] == {"connectorId": number}
            assert point.is_silent(0.1)
            point.answer(call, {"status": f"{number}"})
        told = [future.result() for future in answers_to_come]
    assert [response["response"]["status"] for _, response in told] == list("01234")
    assert [json.loads(response["sent"])[3]["connectorId"] for _, response in told] == list(range(5))


def test_b6_the_chargers_calls_are_served_meanwhile(charger: Booted, api: Api) -> None:
    id, point = charger()
    with ordering() as order:
        told = order(api.action, id, "reset")
        call = point.next_call("Reset")
        for _ in range(3):
            assert "currentTime" in point.ask("Heartbeat")[2]
        point.answer(call, ACCEPTED)
        assert told.result()[0] == 200


def test_b6_no_answer_is_504_and_a_late_one_is_dropped(charger: Booted, api: Api, rows: Rows) -> None:
    id, point = charger()
    began = time.monotonic()
    assert api.action(id, "clear_cache", timeout=0.5) == (
        504,
        {"detail": "the charger did not answer in time"},
    )
    assert 0.4 < time.monotonic() - began < 3
    late = point.next_call("ClearCache")
    with ordering() as order:
        told = order(api.action, id, "get_local_list_version")
        call = point.next_call("GetLocalListVersion")
        point.answer(late, ACCEPTED)
        time.sleep(0.1)
        assert not told.done()
        point.answer(call, {"listVersion": 3})
        assert told.result()[1]["response"] == {"listVersion": 3}
    assert [row["error_code"] for row in outgoing(rows, id, 2)] == ["no answer in time", ""]


def test_b6_the_queue_goes_on_after_a_call_that_nobody_answered(charger: Booted, api: Api) -> None:
    id, point = charger()
    with ordering() as order:
        first = order(api.action, id, "clear_cache", timeout=1)
        point.next_call("ClearCache")
        second = order(api.action, id, "reset", timeout=5)
        assert point.is_silent(0.3)
        call = point.next_call("Reset")
        assert first.result()[0] == 504
        point.answer(call, ACCEPTED)
        assert second.result()[0] == 200


def test_b6_a_callerror_is_502_with_its_code(charger: Booted, api: Api, rows: Rows) -> None:
    id, point = charger()
    with ordering() as order:
        told = order(api.action, id, "clear_cache")
        point.refuse(point.next_call(), "NotImplemented", "what is a cache?")
        assert told.result() == (502, {"detail": "NotImplemented: what is a cache?"})
        told = order(api.action, id, "clear_cache")
        point.send([4, point.next_call()[1], "GenericError"])  # too short, but it says enough
        assert told.result() == (502, {"detail": "GenericError"})
    assert [row["error_code"] for row in outgoing(rows, id, 2)] == ["NotImplemented", "GenericError"]


def test_b6_answers_to_nobody_and_nonsense_harm_nothing(charger: Booted, api: Api) -> None:
    id, point = charger()
    point.send([3, "nobody", {}])
    point.send([4, "nobody", "GenericError", "", {}])
    with ordering() as order:
        told = order(api.action, id, "clear_cache")
        call = point.next_call()
        point.send([3, call[1].upper() + "0", ACCEPTED])
        point.send([3])
        time.sleep(0.1)
        assert not told.done()
        point.send([3, call[1], {"status": "Accepted", "custom": [1, 2]}])
        assert told.result()[1]["response"] == {"status": "Accepted", "custom": [1, 2]}


def test_b6_when_the_socket_drops_every_waiting_call_fails_at_once(charger: Booted, api: Api) -> None:
    id, point = charger()
    with ordering() as order:
        told = [order(api.action, id, "reset") for _ in range(4)]
        point.next_call("Reset")
        time.sleep(0.3)
        began = time.monotonic()
        point.hang_up()
        results = [future.result() for future in told]
    assert time.monotonic() - began < 2
    assert results == [(404, {"detail": "no connection"})] * 4


def test_b6_without_a_connection_it_is_404(api: Api, charger: Booted) -> None:
    assert api.action("nobody-of-this-name", "reset") == (404, {"detail": "no connection"})
    id, point = charger()
    point.close()
    eventually(lambda: api.get(f"/ocpp/chargers/{id}/")[1]["connected"] is False)
    assert api.action(id, "reset") == (404, {"detail": "no connection"})


def test_b6_a_newer_socket_fails_the_calls_of_the_older_and_takes_the_next(
    charger: Booted, server: RunningServer, connect: Connect, api: Api
) -> None:
    id, old = charger()
    with ordering() as order:
        told = order(api.action, id, "reset")
        old.next_call("Reset")
        new = connect(server, f"/ocpp/{id}")
        assert told.result() == (404, {"detail": "no connection"})
        assert old.closed().code == 1000
        with new.serving({"Reset": ACCEPTED}):
            assert api.action(id, "reset")[0] == 200


def test_b6_many_orders_at_once_are_all_answered(charger: Booted, api: Api) -> None:
    id, point = charger()
    open_calls: list[int] = []

    def reply(payload: dict[str, Any]) -> dict[str, Any]:
        open_calls.append(payload["connectorId"])
        return {"status": str(payload["connectorId"])}

    with point.serving({"UnlockConnector": reply}), ordering() as order:
        told = {number: order(api.action, id, "unlock", connector_id=number) for number in range(60)}
        for number, future in told.items():
            assert future.result()[1]["response"] == {"status": str(number)}
    assert sorted(open_calls) == list(range(60))


# B7: not before Boot


def test_b7_nothing_is_sent_before_the_first_boot_is_answered(charger: Booted, api: Api) -> None:
    id, point = charger(boot=False)
    with ordering() as order:
        told = order(api.action, id, "clear_cache")
        assert point.is_silent(0.5)
        assert not told.done()
        boot = point.call("BootNotification", BOOT)
        assert point.receive_message()[:2] == [3, boot]  # the answer first
        point.answer(point.next_call("ClearCache", timeout=1), ACCEPTED)
        assert told.result()[0] == 200


def test_b7_a_command_does_not_wait_for_a_boot_for_ever(charger: Booted, api: Api) -> None:
    id, point = charger(boot=False)
    assert api.action(id, "clear_cache", timeout=0.4)[0] == 504
    assert point.ask("BootNotification", BOOT)[0] == 3
    assert point.is_silent()  # what was given up is not sent later


def test_b7_after_a_reconnect_no_boot_is_needed(
    charger: Booted, server: RunningServer, connect: Connect, api: Api
) -> None:
    id, point = charger()
    point.close()
    again = connect(server, f"/ocpp/{id}")
    with again.serving({"ClearCache": ACCEPTED}):
        assert api.action(id, "clear_cache", timeout=5)[0] == 200


def test_b7_one_that_never_boots_but_works_is_served(charger: Booted, api: Api) -> None:
    id, point = charger(boot=False)
    assert point.ask("Heartbeat")[0] == 3
    with point.serving({"ClearCache": ACCEPTED}):
        assert api.action(id, "clear_cache", timeout=5)[0] == 200


# C2: what a registration forbids


def register_as(server: RunningServer, status: str) -> str:
    """A charger that staff know already, with this registration status."""
    id = new_id()
    ChargePoint(server.port, f"/ocpp/{id}").close()
    write(server, "UPDATE charger SET registration_status = ? WHERE charger_id = ?", status, id)
    return id


def test_c2_pending_no_remote_start_or_stop(server: RunningServer, connect: Connect, api: Api) -> None:
    id = register_as(server, "Pending")
    point = connect(server, f"/ocpp/{id}")
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Pending"

    for action, parameters in ("remote_start", {"id_tag": "CAFE"}), ("remote_stop", {"transaction_id": 1}):
        status, told = api.action(id, action, **parameters)
        assert status == 400
        assert "pending" in told["detail"]
    assert point.is_silent()
    replies = {"GetConfiguration": {}, "ChangeConfiguration": ACCEPTED, "TriggerMessage": ACCEPTED}
    with point.serving(replies):
        assert api.action(id, "get_configuration")[0] == 200
        assert api.action(id, "change_configuration", key="A", value="1")[0] == 200
        assert api.action(id, "trigger_message", requested_message="BootNotification")[0] == 200


def test_c2_rejected_nothing_is_sent(server: RunningServer, connect: Connect, api: Api) -> None:
    id = register_as(server, "Rejected")
    point = connect(server, f"/ocpp/{id}")
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Rejected"
    for action in ("get_configuration", "clear_cache", "reset"):
        status, told = api.action(id, action)
        assert status == 400
        assert "rejected" in told["detail"]
    assert point.is_silent()


def test_c2_what_waited_for_a_boot_is_not_sent_when_that_is_rejected(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    point = connect(server, f"/ocpp/{id}")
    with ordering() as order:
        told = order(api.action, id, "clear_cache", timeout=5)
        assert point.is_silent(0.3)
        write(server, "UPDATE charger SET registration_status = 'Rejected' WHERE charger_id = ?", id)
        assert point.ask("BootNotification", BOOT)[2]["status"] == "Rejected"
        assert told.result()[0] == 400
    assert point.is_silent()


def test_c2_accepted_at_last_everything_is_allowed(server: RunningServer, connect: Connect, api: Api) -> None:
    id = register_as(server, "Pending")
    point = connect(server, f"/ocpp/{id}")
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Pending"
    write(server, "UPDATE charger SET registration_status = 'Accepted' WHERE charger_id = ?", id)
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Accepted"
    with point.serving({"RemoteStartTransaction": ACCEPTED}):
        assert api.action(id, "remote_start", id_tag="CAFE")[0] == 200
