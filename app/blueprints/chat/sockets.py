"""The echo socket: what comes in goes out again, and nobody can harm the chargers' process with it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from flask import Flask, request
from simple_websocket import Server
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from app import access
from app.access import ANYONE
from app.extensions import sock

ENDPOINT = "__flask_sock.echo"
NORMAL, GOING_AWAY, PROTOCOL_ERROR, TOO_BIG, TRY_LATER = 1000, 1001, 1002, 1009, 1013
# Longest message, in bytes; a longer one closes the socket (1009).
MAX_MESSAGE_BYTES = 64 * 1024
# Echo sockets per process: they take places of the chargers. The next one is told to come later (1013).
MAX_SOCKETS = 100
# A socket that is silent, or whose owner does not read, is closed after this many seconds.
IDLE_S = 600.0
# Bytes read at a time, and the pause in between: a flood gets what the chargers leave over.
CHUNK_BYTES = 1024
PAUSE_S = 0.005

_open: set[socket.socket] = set()
_lock = threading.Lock()


@sock.route("/ws/echo/", strict_slashes=False)
@access.allow(ANYONE)
def echo(ws: Server) -> None:
    """Send every message back, until one side hangs up."""
    raw: socket.socket = ws.sock.raw
    raw.settimeout(IDLE_S)
    with _counted(raw) as is_welcome, suppress(OSError, LocalProtocolError):
        code = _Echo(raw, ws.ws).run() if is_welcome else TRY_LATER
        raw.sendall(ws.ws.send(CloseConnection(code)))


def init_app(app: Flask) -> None:
    """Claim the socket of an echo request before flask-sock starts to read it in the background."""

    @app.before_request
    def claim() -> None:
        for server in ("gunicorn.socket", "werkzeug.socket"):
            if request.endpoint == ENDPOINT and server in request.environ:
                request.environ[server] = _Claimed(request.environ[server])


def hang_up() -> None:
    """Close every echo socket (1001): the process is about to end."""
    for raw in list(_open):
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RD)


class _Claimed:
    """A socket that flask-sock's reader finds closed: it would read without pause, and keep all of it."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw

    def recv(self, size: int) -> bytes:
        """Nothing for the reader."""
        return b""

    def close(self) -> None:
        """Not the reader's to close."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class _Echo:
    """One socket. It reads only when the echo of what it has read is out."""

    def __init__(self, raw: socket.socket, protocol: WSConnection) -> None:
        self._raw = raw
        self._protocol = protocol
        self._size = 0

    def run(self) -> int:
        """Echo, piece by piece. Return the code to close with; raises OSError when the other side is gone."""
        try:
            while self._protocol.state is ConnectionState.OPEN and (chunk := self._raw.recv(CHUNK_BYTES)):
                self._protocol.receive_data(chunk)
                self._raw.sendall(b"".join(self._answers()))
                if self._size > MAX_MESSAGE_BYTES:
                    return TOO_BIG
                time.sleep(PAUSE_S)
        except RemoteProtocolError:
            return PROTOCOL_ERROR
        except TimeoutError:
            return NORMAL
        return GOING_AWAY

    def _answers(self) -> Iterator[bytes]:
        for event in self._protocol.events():
            if isinstance(event, Message):
                self._size += len(event.data)
                if self._size > MAX_MESSAGE_BYTES:
                    return
                self._size = 0 if event.message_finished else self._size
                yield self._protocol.send(event)
            elif isinstance(event, Ping | CloseConnection):
                yield self._protocol.send(event.response())


@contextmanager
def _counted(raw: socket.socket) -> Iterator[bool]:
    with _lock:
        is_welcome = len(_open) < MAX_SOCKETS
        if is_welcome:
            _open.add(raw)
    try:
        yield is_welcome
    finally:
        with _lock:
            _open.discard(raw)
