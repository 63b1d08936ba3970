"""A: handshakes before the door: who comes too often waits, who leaves frees the place, nobody starves."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from app.blueprints.ocpp import gate
from app.blueprints.ocpp.gate import Allowance, Gate
from app.blueprints.ocpp.turns import Turns
from scripts.benchmark.load import Load
from tests.ocpp import handshake
from tests.ocpp.charge_point import ChargePoint, Refused, new_id
from tests.ocpp.test_a_handshake import Connect, is_served
from tests.servers import RunningServer

# With so many sockets of one charger waiting, the next is refused.
MANY = gate.FREE + int(gate.MAX_PAUSE_S) + 5


def called(server: RunningServer, id: str, source: str = "127.0.0.1") -> socket.socket:
    """A handshake whose answer nobody has read yet."""
    caller = handshake.opened(server.port, source, 30)
    fields = handshake.fields("localhost", ("ocpp1.6",), "", None)
    told = [f"{name}: {text}" for name, text in fields.items() if text]
    caller.sendall("\r\n".join([f"GET /{id} HTTP/1.1", *told, "", ""]).encode())
    return caller


@contextmanager
def waiting(server: RunningServer, id: str, count: int) -> Iterator[list[socket.socket]]:
    """So many sockets of one charger at the gate."""
    callers = [called(server, id) for _ in range(count)]
    try:
        yield callers
    finally:
        for caller in callers:
            caller.close()


def statuses(callers: list[socket.socket], patience_s: float = 0.5) -> list[int]:
    """What was answered so far."""
    found = []
    for caller in callers:
        caller.settimeout(patience_s)
        try:
            found.append(int(caller.recv(65_536)[9:12] or 0))
        except TimeoutError:
            continue
    return found


def test_a7_a_charger_with_too_many_sockets_at_once_is_refused_in_words(server: RunningServer) -> None:
    id = new_id("LOOP")
    with waiting(server, id, MANY), pytest.raises(Refused) as refused:
        ChargePoint(server.port, f"/{id}")

    assert refused.value.status == 503
    assert refused.value.body.strip() == gate.TOO_OFTEN
    assert 0 < int(refused.value.headers["retry-after"]) <= gate.MAX_PAUSE_S + 2


def test_a7_who_hangs_up_while_it_waits_frees_its_place(server: RunningServer, connect: Connect) -> None:
    """The others of this charger have gone: it is served, and not refused for them."""
    id = new_id("LOOP")
    with waiting(server, id, MANY) as callers:
        assert 503 in statuses(callers[-3:])
    deadline = time.monotonic() + 20
    while True:
        try:
            assert is_served(connect(server, f"/{id}"))
            break
        except Refused as refused:
            if refused.status != 503 or time.monotonic() > deadline:
                raise


def test_a7_one_in_a_loop_delays_neither_others_nor_its_namesake(
    server: RunningServer, connect: Connect
) -> None:
    """While a charger's sockets wait, another id is served, and so is the id from another address."""
    id = new_id("LOOP")
    with waiting(server, id, MANY) as callers:
        assert is_served(connect(server, f"/{new_id()}"))
        other = called(server, id, "127.0.0.77")
        assert statuses(callers[gate.FREE + 7 : gate.FREE + 9]) == []
        assert statuses([other], 20) == [101]  # once its namesake has not answered a ping
        other.close()


def test_a7_a_crowd_comes_in_beside_one_in_a_loop(server: RunningServer) -> None:
    id = new_id("LOOP")
    with waiting(server, id, MANY), Load(server.port, 200, path=f"/{new_id('CROWD')}-") as crowd:
        arrived = crowd.connect(timeout_s=60, together=None)
        assert (arrived.served, arrived.retries) == (200, 0)
        assert not crowd.ledger.errors


def test_a7_echoes_are_no_charger(server: RunningServer) -> None:
    callers = [called(server, "ws/echo/") for _ in range(gate.FREE + 5)]

    assert statuses(callers) == [101] * len(callers)
    for caller in callers:
        caller.close()


def test_an_allowance_is_a_charger_s_own_and_a_place_can_be_given_back() -> None:
    allowance = Allowance()
    assert [allowance.take("one") for _ in range(gate.FREE)] == [0.0] * gate.FREE
    pauses = [allowance.take("one") for _ in range(4)]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0
    assert allowance.take("two") == 0.0

    for _ in range(5):
        allowance.give_back("one")
    assert allowance.take("one") <= pauses[0]


def test_what_is_refused_is_not_counted() -> None:
    allowance = Allowance()
    pauses = [allowance.take("one") for _ in range(MANY + 100)]

    assert pauses[-1] <= gate.MAX_PAUSE_S + gate.EVERY_S


def test_an_allowance_forgets_who_has_waited_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REMEMBERED", 10)
    monkeypatch.setattr(gate, "EVERY_S", 0.0)
    allowance = Allowance()
    for number in range(100):
        allowance.take(number)

    assert len(allowance) <= 12


class Full(Turns):
    """Turns that nobody gets in time."""

    def begin(self, patience_s: float, address: str = "") -> bool:
        return False


def test_a_handshake_that_waited_too_long_is_told_so() -> None:
    told: list[Any] = []
    front = Gate(lambda environ, start: [b"served"], Full(), lambda: False)
    environ = {"HTTP_UPGRADE": "WebSocket", "PATH_INFO": "/CP", "REMOTE_ADDR": "10.0.0.1"}
    body = front(environ, lambda status, fields: told.extend([status, dict(fields)]))

    assert b"".join(body).decode().strip() == gate.TOO_MANY
    assert told[0].startswith("503")
    assert int(told[1]["Retry-After"]) > 0
    assert b"".join(front({"PATH_INFO": "/"}, lambda *_: None)) == b"served"


class Peeked(socket.socket):
    """Counts how often somebody looks whether the caller is still there."""

    looks = 0

    def recv(self, *args: Any) -> bytes:
        type(self).looks += 1
        return super().recv(*args)


def test_a_charger_that_speaks_early_is_not_looked_at_without_end_while_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "FREE", 0)
    front = Gate(lambda environ, start: [b"served"], Turns(), lambda: False)
    ours, theirs = socket.socketpair()
    with closing(Peeked(fileno=ours.detach())) as line, closing(theirs):
        theirs.send(b"early")
        environ = {"HTTP_UPGRADE": "websocket", "PATH_INFO": "/CP", "werkzeug.socket": line}
        assert b"".join(front(environ, lambda *_: None)) == b"served"

    assert 0 < line.looks <= gate.EVERY_S / gate.LOOK_S + 3


def test_a_charger_waits_also_where_more_than_a_thousand_sockets_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "FREE", 0)
    monkeypatch.setattr(gate, "EVERY_S", 0.1)
    front = Gate(lambda environ, start: [b"served"], Turns(), lambda: False)
    ours, theirs = socket.socketpair()
    number = fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD, 1500)
    with closing(ours), closing(theirs), socket.socket(fileno=number) as line:
        environ = {"HTTP_UPGRADE": "websocket", "PATH_INFO": "/CP", "werkzeug.socket": line}
        assert b"".join(front(environ, lambda *_: None)) == b"served"


FLOOD = """
from gevent import monkey; monkey.patch_all()
import gevent
from app.blueprints.ocpp.turns import Turns

turns, order = Turns(), []

def begin(address):
    assert turns.begin(10, address)
    order.append(address)

gevent.joinall([gevent.spawn(begin, address) for address in ["flood"] * 500 + ["one", "two"]])
print(len(order), max(order.index("one"), order.index("two")) < 200, len(turns))
"""


def test_one_address_that_calls_without_end_delays_no_other() -> None:
    """On an event loop: who comes after a flood of another address does not wait until that is worked off."""
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=False)

    assert done.stdout == "502 True 0\n", done.stderr


LAST_MOMENT = """
from gevent import monkey; monkey.patch_all()
import time
import gevent
from app.blueprints.ocpp.turns import Turns

turns = Turns()

def busy():
    until = time.monotonic() + 0.03
    while time.monotonic() < until:
        pass

waiting = [gevent.spawn(turns.begin, 0.01 + 0.0005 * number) for number in range(60)]
gevent.joinall([*waiting, gevent.spawn(busy)])
print([repr(one.exception) for one in waiting if one.exception], len(turns))
"""


def test_a_turn_that_comes_as_the_patience_ends_is_no_mistake() -> None:
    """On an event loop: the wait has ended, and the turn was given, before the waiter goes on."""
    done = subprocess.run([sys.executable, "-c", LAST_MOMENT], capture_output=True, text=True, check=False)

    assert done.stdout == "[] 0\n", done.stderr
