"""The echo socket, on a real server: it echoes, and nobody can do harm with it."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from app.blueprints.chat import sockets
from tests.servers import RunningServer, running_server

# Seconds in which a page must be answered while somebody floods the echo socket.
PATIENCE_S = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RunningServer]:
    """One server for the whole module."""
    with running_server(tmp_path_factory.mktemp("echo")) as running:
        yield running


def echo(server: RunningServer, path: str = "/ws/echo/", **options) -> ClientConnection:
    return connect(f"{server.ws_url}{path}", proxy=None, open_timeout=10, close_timeout=5, **options)


def page_time(server: RunningServer) -> float:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=6)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - began


@pytest.mark.parametrize("text", ["hello", "", "ñandú ⚡ 你好", "x" * 60_000, "a\nb\0c"])
def test_text_comes_back(server, text):
    with echo(server) as ws:
        ws.send(text)
        assert ws.recv(timeout=10) == text


def test_many_messages_come_back_in_order(server):
    with echo(server) as ws:
        for number in range(500):
            ws.send(str(number))
        assert [ws.recv(timeout=10) for _ in range(500)] == [str(number) for number in range(500)]


@pytest.mark.parametrize("host", ["ocpp.localhost:8000", "charge.example.com", "[::1]:8000", "10.0.0.7"])
def test_it_works_on_every_host(server, host):
    with (
        socket.create_connection(("127.0.0.1", server.port)) as raw,
        connect(f"ws://{host}/ws/echo/", sock=raw) as ws,
    ):
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"


def test_it_works_without_the_final_slash(server):
    with echo(server, "/ws/echo") as ws:
        ws.send("hello")
        assert ws.recv(timeout=10) == "hello"


def test_an_ordinary_request_finds_nothing(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/ws/echo/")

    assert connection.getresponse().status == 404


def test_a_bad_handshake_is_refused(server):
    with pytest.raises(InvalidStatus) as refusal, echo(server, additional_headers={"Sec-WebSocket-Key": "x"}):
        pass

    assert refusal.value.response.status_code in (400, 426)


def test_a_message_that_is_too_long_closes_the_socket(server):
    with echo(server) as ws:
        ws.send("x" * (sockets.MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=10)

    assert closed.value.rcvd.code == 1009


def test_endless_fragments_count_as_one_message(server):
    def fragments() -> Iterator[str]:
        while True:
            yield "x" * 1000

    with echo(server) as ws, pytest.raises(ConnectionClosed):
        ws.send(fragments())


def test_a_hundred_sockets_at_a_time_and_no_more(server):
    with ExitStack() as stack:
        everyone = [stack.enter_context(echo(server)) for _ in range(sockets.MAX_SOCKETS)]
        with echo(server) as late, pytest.raises(ConnectionClosed) as closed:
            late.recv(timeout=10)
        assert closed.value.rcvd.code == 1013
        everyone[0].send("hello")
        assert everyone[0].recv(timeout=10) == "hello"

    wait_for_room(server)


def wait_for_room(server: RunningServer) -> None:
    """The server notices the end of a socket a moment later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with echo(server) as ws:
            try:
                ws.send("hello")
                assert ws.recv(timeout=10) == "hello"
                return
            except ConnectionClosed:
                time.sleep(0.1)
    raise AssertionError("no room")


def frames(text: bytes, times: int) -> bytes:
    """Client frames with a mask of zeros."""
    return (bytes([0x81, 0x80 | len(text)]) + bytes(4) + text) * times


FLOODS = {
    "messages": frames(b"x", 10_000),
    "pings": bytes([0x89, 0x80, 0, 0, 0, 0]) * 10_000,
    "empty fragments": bytes([0x01, 0x80, 0, 0, 0, 0]) + bytes([0x00, 0x80, 0, 0, 0, 0]) * 10_000,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_by_somebody_who_does_not_read_disturbs_nobody(server, kind):
    with ExitStack() as stack:
        floods = [Flood(server, stack, FLOODS[kind]) for _ in range(3)]
        until = time.monotonic() + 3
        slowest = 0.0
        while time.monotonic() < until:
            for flood in floods:
                flood.push()
            slowest = max(slowest, page_time(server))

    assert slowest < PATIENCE_S


class Flood:
    """An open echo socket whose owner sends without end and never reads what comes back."""

    def __init__(self, server: RunningServer, stack: ExitStack, frames: bytes) -> None:
        self._frames = self._rest = frames
        self._raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        self._raw.sendall(
            b"GET /ws/echo/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b" 101 " in self._raw.recv(4096)
        self._raw.setblocking(False)

    def push(self) -> None:
        """Send as much as the other side takes."""
        try:
            while True:
                self._rest = self._rest[self._raw.send(self._rest) :] or self._frames
        except BlockingIOError:
            return
        except OSError:  # hung up on
            return


def test_the_server_stops_soon_though_a_socket_is_open(server):
    with echo(server):
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 15
    server.start()
