"""B: our questions on the line (ocpp.md B6 to B8): one at a time, in order, never before Boot."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.ocpp import answers
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import Api, eventually, write
from tests.ocpp.test_a_handshake import Connect, Rows, is_served
from tests.servers import RunningServer

Order = Callable[..., Future[tuple[int, Any]]]
BOOT = {"chargePointVendor": "v", "chargePointModel": "m"}


@pytest.fixture
def order(api: Api) -> Iterator[Order]:
    """Order a command in the background; orders reach the line in the order in which they are given."""
    with ThreadPoolExecutor(10) as pool:

        def give(id: str, action: str, **parameters: Any) -> Future[tuple[int, Any]]:
            given = pool.submit(api.action, id, action, **parameters)
            time.sleep(0.15)
            return given

        yield give


@pytest.fixture
def charger(server: RunningServer, connect: Connect) -> ChargePoint:
    """A charge point that has booted."""
    charger = connect(server, f"/{new_id('ASKED')}")
    charger.ask("BootNotification", BOOT)
    return charger


@pytest.fixture
def id(charger: ChargePoint) -> str:
    """Its id."""
    return charger.path.strip("/")


def test_b6_one_call_at_a_time_and_the_others_in_order(charger: ChargePoint, id: str, order: Order) -> None:
    orders = [
        order(id, name) for name in ("clear_cache", "get_local_list_version", "reset", "get_configuration")
    ]
    replies: list[dict[str, Any]] = [{"status": "Accepted"}, {"listVersion": 7}, {"status": "Rejected"}, {}]
    actions = []
    for reply in replies:
        call = charger.next_call()
        actions.append(call[2])
        assert charger.is_silent(0.1)
        charger.answer(call, reply)

    assert actions == ["ClearCache", "GetLocalListVersion", "Reset", "GetConfiguration"]
    assert [given.result()[0] for given in orders] == [200] * 4
    assert [given.result()[1]["response"] for given in orders] == replies


def test_b6_incoming_calls_are_served_while_ours_is_unanswered(
    charger: ChargePoint, id: str, order: Order
) -> None:
    given = order(id, "reset")
    call = charger.next_call("Reset")
    for _ in range(3):
        assert is_served(charger)
    charger.answer(call, {"status": "Accepted"})

    assert given.result()[0] == 200


def test_b6_ids_are_uuids_and_never_the_same(charger: ChargePoint, id: str, order: Order) -> None:
    ids = set()
    for _ in range(3):
        given = order(id, "clear_cache")
        call = charger.next_call()
        charger.answer(call, {"status": "Accepted"})
        given.result()
        ids.add(str(uuid.UUID(call[1])))

    assert len(ids) == 3


def test_b6_a_call_times_out_the_queue_goes_on_and_the_late_answer_is_dropped(
    charger: ChargePoint, id: str, order: Order
) -> None:
    first, second = order(id, "reset", timeout=0.6), order(id, "clear_cache", timeout=5)
    late = charger.next_call("Reset")
    assert first.result()[0] == 504
    call = charger.next_call("ClearCache")
    charger.answer(late, {"status": "Accepted"})
    charger.send([3, "nobody asked", {"status": "Accepted"}])
    charger.answer(call, {"status": "Rejected"})

    assert second.result() == (200, second.result()[1])
    assert second.result()[1]["response"] == {"status": "Rejected"}


def test_b6_a_calls_time_runs_from_when_it_is_sent(charger: ChargePoint, id: str, order: Order) -> None:
    """Else those behind a call without an answer would be sent and given up at the same moment."""
    first, second = order(id, "reset", timeout=1), order(id, "clear_cache", timeout=1)
    charger.next_call("Reset")
    call = charger.next_call("ClearCache")
    time.sleep(0.3)
    charger.answer(call, {"status": "Accepted"})

    assert first.result()[0] == 504
    assert second.result()[0] == 200


def test_b6_when_the_socket_drops_every_waiting_call_fails_at_once(
    charger: ChargePoint, id: str, order: Order
) -> None:
    orders = [order(id, "reset", timeout=20) for _ in range(3)]
    charger.next_call()
    dropped_at = time.monotonic()
    charger.hang_up()

    assert [given.result() for given in orders] == [(404, {"detail": "no connection"})] * 3
    assert time.monotonic() - dropped_at < 3


@pytest.mark.parametrize("code", ["NotSupported", "GenericError", "SecurityError", "SomethingOfItsOwn", ""])
def test_b6_a_callerror_reaches_the_caller_with_its_code(
    charger: ChargePoint, id: str, order: Order, code: str
) -> None:
    given = order(id, "reset")
    charger.refuse(charger.next_call(), code, "not today")

    status, body = given.result()
    assert status == 502
    assert code in str(body)
    assert "not today" in str(body)


@pytest.mark.parametrize(
    "rest", [[], ["Code"], ["Code", None], [None, None, None], [{}, [], "x"], [1, 2, 3, 4, 5]]
)
def test_b6_a_malformed_callerror_is_one_too(
    charger: ChargePoint, id: str, order: Order, rest: list[Any]
) -> None:
    given = order(id, "reset")
    charger.send([4, charger.next_call()[1], *rest])

    assert given.result()[0] == 502


@pytest.mark.parametrize("payload", [None, [], "Accepted", 5, {"status": "Odd", "x": [1]}])
def test_b6_a_malformed_callresult_ends_the_call(
    charger: ChargePoint, id: str, order: Order, payload: Any
) -> None:
    given = order(id, "reset", timeout=5)
    charger.send([3, charger.next_call()[1], payload])

    assert given.result()[0] in (200, 502)
    assert is_served(charger)


def test_b7_nothing_is_sent_before_boot_is_answered(
    server: RunningServer, connect: Connect, order: Order
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}")
    given = order(id, "reset", timeout=10)
    assert charger.is_silent(0.3)
    boot = charger.call("BootNotification", BOOT)

    first, second = charger.receive_message(), charger.receive_message()
    assert answers.result("BootNotification", first)
    assert first[1] == boot
    assert second[2] == "Reset"
    charger.answer(second, {"status": "Accepted"})
    assert given.result()[0] == 200


def test_b7_a_call_that_waits_for_boot_times_out_unsent(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}")

    assert api.action(id, "reset", timeout=0.5)[0] == 504
    charger.ask("BootNotification", BOOT)
    assert charger.is_silent()


def test_b7_after_a_reconnect_no_boot_is_needed(
    server: RunningServer, connect: Connect, charger: ChargePoint, id: str, api: Api
) -> None:
    """OCPP-J 1.6, 5.4: the charge point need not boot to be spoken to again."""
    charger.close()
    again = connect(server, f"/{id}")

    with again.serving({"Reset": {"status": "Accepted"}}):
        assert api.action(id, "reset")[0] == 200


def test_b7_a_rejected_boot_takes_back_what_waited_for_it(
    server: RunningServer, connect: Connect, order: Order
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}")
    given = order(id, "reset", timeout=10)
    write(server, "UPDATE charger SET registration_status = 'Rejected' WHERE charger_id = ?", id)

    assert charger.ask("BootNotification", BOOT)[2]["status"] == "Rejected"
    assert 400 <= given.result()[0] < 500
    assert charger.is_silent()


def test_b8_a_call_is_compact_json_in_the_standards_order(
    charger: ChargePoint, id: str, order: Order
) -> None:
    given = order(id, "remote_start", id_tag="é€ 1", connector_id=1)
    text = charger.receive()
    call = json.loads(text)
    charger.answer(call, {"status": "Accepted"})

    assert text == f'[2,"{call[1]}","RemoteStartTransaction",{{"connectorId":1,"idTag":"é€ 1"}}]'
    assert given.result()[1]["sent"] == text


def test_b8_our_calls_are_on_record_with_their_answers(
    charger: ChargePoint, id: str, order: Order, rows: Rows
) -> None:
    given = order(id, "reset")
    call = charger.next_call()
    charger.answer(call, {"status": "Accepted"})
    given.result()

    (row,) = eventually(lambda: rows("SELECT * FROM ocpp_message WHERE message_id = ?", call[1]))
    assert (row["direction"], row["action"], json.loads(row["answer"])[0]) == ("out", "Reset", 3)


def test_b8_a_charger_without_connection_is_404(api: Api) -> None:
    assert api.action(new_id(), "reset") == (404, {"detail": "no connection"})
