"""A6: a second socket with the same id: the newest serves, unless it is an impostor."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import Api, eventually, known
from tests.ocpp.test_a_admission import KEY
from tests.ocpp.test_a_handshake import Connect, Rows, is_served, refusal
from tests.servers import RunningServer

RESET = {"Reset": {"status": "Accepted"}}
ELSEWHERE = "127.0.0.2"


def is_connected(api: Api, id: str) -> bool:
    """What staff see."""
    return bool(api.get(f"/ocpp/chargers/{id}/")[1]["connected"])


def test_a6_the_newest_serves_and_the_old_one_is_closed(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    old, new = connect(server, f"/{id}"), connect(server, f"/{id}")

    assert old.closed(3.0).code == 1000
    assert is_served(new)
    with new.serving(RESET):
        assert api.action(id, "reset")[0] == 200


def test_a6_the_old_ones_end_does_not_mark_the_charger_offline(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    old, new = connect(server, f"/{id}"), connect(server, f"/{id}")
    old.closed(3.0)
    old.hang_up()
    assert is_served(new)

    assert is_connected(api, id)
    new.close()
    eventually(lambda: not is_connected(api, id))


def test_a6_the_old_ones_end_does_not_fail_the_new_ones_calls(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    old, new = connect(server, f"/{id}"), connect(server, f"/{id}")
    answered: list[Any] = []
    order = threading.Thread(target=lambda: answered.append(api.action(id, "reset")))
    assert is_served(new)
    order.start()
    call = new.next_call("Reset")
    old.closed(3.0)
    old.hang_up()
    assert is_served(new)
    new.answer(call, {"status": "Accepted"})
    order.join()

    assert answered[0][0] == 200


def test_a6_the_old_ones_waiting_call_fails_at_once(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    old = connect(server, f"/{id}")
    answered: list[Any] = []
    order = threading.Thread(target=lambda: answered.append(api.action(id, "reset", timeout=20)))
    assert is_served(old)
    order.start()
    old.next_call("Reset")
    connect(server, f"/{id}")
    order.join(5)

    assert answered == [(404, {"detail": "no connection"})]


def test_a6_ten_at_once_leave_one(server: RunningServer, connect: Connect, api: Api) -> None:
    id = new_id()
    opened: list[ChargePoint] = []
    threads = [threading.Thread(target=lambda: opened.append(connect(server, f"/{id}"))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for charger in opened:
        charger.call("Heartbeat", id="ping")
    alive = [charger for charger in opened if _is_alive(charger)]
    assert len(alive) == 1
    assert is_connected(api, id)


def _is_alive(charger: ChargePoint) -> bool:
    try:
        return charger.answer_to("ping", 3.0)[0] == 3
    except Exception:
        return False


def test_a6_a_keyless_one_from_elsewhere_is_an_impostor_while_the_first_answers(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    id = new_id()
    first = connect(server, f"/{id}")
    with first.serving():
        assert [refusal(server, f"/{id}", source=ELSEWHERE).status for _ in range(3)] == [403] * 3

    assert is_served(first)
    assert rows("SELECT last_address FROM charger WHERE charger_id = ?", id) == [
        {"last_address": "127.0.0.1"}
    ]
    (entry,) = rows("SELECT * FROM audit_entry WHERE action = 'charger.impostor' AND subject_id = ?", id)
    assert json.loads(entry["details"]) == {"address": ELSEWHERE, "connected_from": "127.0.0.1"}
    assert f"charger {id} is connected from 127.0.0.1" in (server.logs / "ocpp.log").read_text()


def test_a6_one_from_elsewhere_takes_over_when_the_first_is_gone(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    """A charger whose network changed: its old connection is half open and answers no ping."""
    id = new_id()
    first = connect(server, f"/{id}")
    second = connect(server, f"/{id}", source=ELSEWHERE)

    assert is_served(second)
    assert first.closed(4.0).code == 1000
    assert is_connected(api, id)


def test_a6_one_with_the_key_may_come_from_anywhere(server: RunningServer, connect: Connect) -> None:
    id = known(server, KEY)
    first = connect(server, f"/{id}", auth=(id, KEY))
    with first.serving():
        second = connect(server, f"/{id}", auth=(id, KEY), source=ELSEWHERE)

    assert is_served(second)


def test_a6_an_impostor_without_the_key_disturbs_nobody(server: RunningServer, connect: Connect) -> None:
    id = known(server, KEY)
    first = connect(server, f"/{id}", auth=(id, KEY))

    assert refusal(server, f"/{id}", source=ELSEWHERE).status == 401
    assert is_served(first)
