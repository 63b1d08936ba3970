"""The echo socket: what comes in goes out again. Made so that nobody can harm the chargers' process with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from simple_websocket import Server

from app import access
from app.access import ANYONE
from app.extensions import sock

# Longest message, in bytes; a longer one closes the socket (1009).
MAX_MESSAGE_BYTES = 64 * 1024
# Echo sockets per process: they share their number with the chargers. The next one is told to come later (1013).
MAX_SOCKETS = 100
# A socket that is silent, or whose owner does not read, is closed after this many seconds.
IDLE_S = 600.0
# Messages that may wait for their echo; more are left to the sender's own buffers.
MAX_WAITING = 16
# Bytes read at a time, and the pause in between: a flood gets what the chargers leave over.
CHUNK_BYTES = 1024
PAUSE_S = 0.005

_open: set[Server] = set()
_lock = threading.Lock()


@sock.route("/ws/echo/", strict_slashes=False)
@access.allow(ANYONE)
def echo(ws: Server) -> None:
    """Send every message back, until one side hangs up."""
    with _counted(ws) as is_welcome:
        if not is_welcome:
            ws.close(1013, "too many echo sockets")
            return
        _restrain(ws)
        while (message := ws.receive(timeout=IDLE_S)) is not None:
            try:
                ws.send(message)
            except OSError:  # gone, or not reading
                return


def hang_up() -> None:
    """Close every echo socket: the process is about to end."""
    for ws in list(_open):
        try:
            ws.close(1001)
        except Exception:  # noqa: BLE001, S112 - closed already, in one of several ways
            continue


class _Paced:
    """A socket read no faster than its echo leaves, with pauses for the others of this process."""

    def __init__(self, ws: Server) -> None:
        self._ws = ws
        self._sock = ws.sock

    def recv(self, size: int) -> bytes:
        """The next bytes, when their turn has come."""
        time.sleep(PAUSE_S)
        while len(self._ws.input_buffer) > MAX_WAITING and self._ws.connected:
            time.sleep(PAUSE_S)
        received: bytes = self._sock.recv(size)
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _restrain(ws: Server) -> None:
    ws.max_message_size = MAX_MESSAGE_BYTES
    ws.receive_bytes = CHUNK_BYTES
    ws.sock.settimeout(IDLE_S)
    ws.sock = _Paced(ws)


@contextmanager
def _counted(ws: Server) -> Iterator[bool]:
    with _lock:
        is_welcome = len(_open) < MAX_SOCKETS
        if is_welcome:
            _open.add(ws)
    try:
        yield is_welcome
    finally:
        with _lock:
            _open.discard(ws)
