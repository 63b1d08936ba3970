"""A7: those who send too much, read too little or are not there any more; the others do not notice."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.ocpp import frames, handshake
from tests.ocpp.charge_point import BINARY, CONTINUATION, PING, ChargePoint, Closed, new_id
from tests.ocpp.staff import Api, eventually, make_token
from tests.ocpp.test_a_handshake import Connect, Rows, is_served
from tests.servers import RunningServer

BIG = 100_000


def while_others_are_served(other: ChargePoint, attack: Callable[[], object]) -> float:
    """Run an attack in a thread; return the longest time, in seconds, that another waited."""
    thread = threading.Thread(target=attack)
    longest = 0.0
    thread.start()
    while thread.is_alive():
        asked_at = time.monotonic()
        assert is_served(other)
        longest = max(longest, time.monotonic() - asked_at)
    thread.join()
    return longest


def heartbeat(id: str) -> bytes:
    """A whole frame."""
    return frames.frame(json.dumps([2, id, "Heartbeat", {}]))


def test_a7_a_flood_is_closed_with_1008_and_the_others_do_not_notice(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    flooder, other = connect(server, f"/{new_id('FLOOD')}"), connect(server, f"/{new_id()}")
    ends: list[Closed] = []

    def flood() -> None:
        flooder.send_bytes(b"".join(heartbeat(f"f{number}") for number in range(1500)))
        ends.append(flooder.closed(10))

    assert while_others_are_served(other, flood) < 2.0
    assert ends[0].code == 1008
    assert is_served(other)


def test_a7_a_backlog_below_the_limit_is_served_in_order(server: RunningServer, connect: Connect) -> None:
    """A flood is a backlog, never a rate: 900 at once are many, and all of them are answered."""
    charger = connect(server, f"/{new_id()}")
    charger.send_bytes(b"".join(heartbeat(f"n{number}") for number in range(900)))

    assert [charger.receive_message(20)[1] for _ in range(900)] == [f"n{number}" for number in range(900)]


def test_a7_a_flood_of_pings_starves_nobody(server: RunningServer, connect: Connect) -> None:
    flooder, other = connect(server, f"/{new_id('PING')}"), connect(server, f"/{new_id()}")
    count = 40_000

    def flood() -> None:
        flooder.send_bytes(frames.frame(b"", PING) * count)
        pongs = 0
        while pongs < 2 * count:
            pongs += len(flooder.socket.recv(65_536))

    started_at = time.monotonic()
    longest = while_others_are_served(other, flood)
    assert longest < max(1.0, (time.monotonic() - started_at) / 3)
    assert is_served(flooder)


def test_a7_a_flood_after_the_goodbye_ends_soon(server: RunningServer, connect: Connect) -> None:
    flooder, other = connect(server, f"/{new_id('DEAF')}"), connect(server, f"/{new_id()}")
    noise = b"".join(heartbeat(f"n{number}") for number in range(1200))

    def flood() -> None:
        with suppress(OSError):
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                flooder.send_bytes(noise)

    started_at = time.monotonic()
    assert while_others_are_served(other, flood) < 2.0
    assert time.monotonic() - started_at < 10


def test_a7_a_slow_reader_gets_everything_in_order(server: RunningServer, connect: Connect) -> None:
    charger = connect(server, f"/{new_id()}", receive_buffer=4096)
    ids = [f"{number:03}" + "x" * BIG for number in range(20)]
    for id in ids:
        charger.call("Heartbeat", id=id)
    time.sleep(0.5)

    assert [charger.receive_message(10)[1] for _ in ids] == ids


def test_a7_a_slow_reader_still_gets_the_goodbye(server: RunningServer, connect: Connect) -> None:
    id = new_id()
    charger = connect(server, f"/{id}", receive_buffer=4096)
    ids = [f"{number:03}" + "x" * BIG for number in range(15)]
    for message_id in ids:
        charger.call("Heartbeat", id=message_id)
    time.sleep(0.5)
    connect(server, f"/{id}")

    assert [charger.receive_message(10)[1] for _ in ids] == ids
    assert charger.closed(5).code == 1000


def test_a7_who_never_reads_is_hung_up_on(server: RunningServer, connect: Connect, api: Api) -> None:
    id = new_id("MUTE")
    charger, other = connect(server, f"/{id}", receive_buffer=4096), connect(server, f"/{new_id()}")

    def never_read() -> None:
        with suppress(OSError):
            for number in range(120):
                charger.call("Heartbeat", id=f"{number}" + "x" * BIG)

    assert while_others_are_served(other, never_read) < 2.0
    eventually(lambda: not api.get(f"/ocpp/chargers/{id}/")[1]["connected"])


def test_a7_half_open_sockets_are_found_and_closed(wary_server: RunningServer, connect: Connect) -> None:
    """Two ping intervals of silence (they are a second here); who answers pings stays."""
    gone, alive = connect(wary_server, "/GONE"), connect(wary_server, "/ALIVE")
    api = Api(wary_server, make_token(wary_server))

    with alive.serving():
        eventually(lambda: not api.get("/ocpp/chargers/GONE/")[1]["connected"], 8)
    assert gone.closed(1).code == 1006
    assert api.get("/ocpp/chargers/ALIVE/")[1]["connected"]
    assert is_served(alive)


def test_a7_who_hangs_up_without_a_word_is_offline_at_once(
    server: RunningServer, connect: Connect, api: Api
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}")
    assert is_served(charger)
    charger.hang_up()

    eventually(lambda: not api.get(f"/ocpp/chargers/{id}/")[1]["connected"], 3)


def test_a7_what_arrived_before_the_end_is_kept(server: RunningServer, connect: Connect, rows: Rows) -> None:
    """A charger that does not wait for answers sends everything and hangs up."""
    id = new_id()
    charger = connect(server, f"/{id}")
    for number in range(50):
        charger.call("Heartbeat", id=f"last-{number}")
    charger.close()

    count = "SELECT count(*) AS n FROM ocpp_message WHERE message_id LIKE 'last-%' AND charger_id = "
    eventually(lambda: rows(count + "(SELECT id FROM charger WHERE charger_id = ?)", id) == [{"n": 50}])


@pytest.mark.parametrize("opcode", [frames.TEXT, BINARY])
def test_a7_a_message_in_thirty_thousand_pieces_costs_no_more_than_its_bytes(
    server: RunningServer, connect: Connect, opcode: int
) -> None:
    charger, other = connect(server, f"/{new_id()}"), connect(server, f"/{new_id()}")
    text = '[2,"pieces","Heartbeat",{}' + " " * 30_000 + "]"
    pieces = b"".join(frames.frame(letter, CONTINUATION, fin=False) for letter in text[1:-1])
    first, last = frames.frame(text[0], opcode, fin=False), frames.frame(text[-1], CONTINUATION)

    assert while_others_are_served(other, lambda: charger.send_bytes(first + pieces + last)) < 2.0
    assert charger.answer_to("pieces", 10)[0] == 3


def test_a7_handshakes_that_nobody_waits_for_are_no_errors(server: RunningServer, connect: Connect) -> None:
    for number in range(60):
        caller = handshake.opened(server.port, "127.0.0.1", 5)
        fields = handshake.fields("localhost", ("ocpp1.6",), "", None)
        told = [f"{name}: {text}" for name, text in fields.items() if text]
        caller.sendall("\r\n".join([f"GET /HASTY-{number} HTTP/1.1", *told, "", ""]).encode())
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()

    assert is_served(connect(server, f"/{new_id()}"))
    logs = "".join(file.read_text() for file in server.logs.glob("*.log"))
    assert "Traceback" not in server.output + logs
