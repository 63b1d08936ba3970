"""Before the door: handshakes are worked on one after the other, and who comes too often waits for it.

A WSGI middleware, because all behind it costs: a request of Flask's, the database, the handshake itself.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from app.blueprints.ocpp.turns import Turns

log = logging.getLogger(__name__)

# A charger may connect so often at once, and then once in so many seconds.
FREE = 40
EVERY_S = 1.0
# How long one that connects more often is made to wait; with more of its sockets waiting, it is refused.
MAX_PAUSE_S = 10.0
# How long a handshake may wait for its turn.
PATIENCE_S = 60.0
LOOK_S = 0.5
# How many chargers are remembered before those that have waited long enough are forgotten.
REMEMBERED = 5_000
TOO_OFTEN = "this charger connects too often: wait, and try again"
TOO_MANY = "too many chargers connect at once: wait, and try again"
# What sockets that are no charger's end in.
NO_CHARGER = "/ws/echo"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class Allowance:
    """How long who comes again has to wait: ``FREE`` times not at all, then until a second has passed."""

    def __init__(self) -> None:
        # When what each has used up will be free again, on the monotonic clock.
        self._free_at: dict[Any, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._free_at)

    def take(self, key: Any) -> float:
        """Count one more; the seconds to wait. Above ``MAX_PAUSE_S`` nothing was counted."""
        now = time.monotonic()
        with self._lock:
            if len(self._free_at) > REMEMBERED:
                self._free_at = {key: at for key, at in self._free_at.items() if at > now}
            free_at = max(self._free_at.get(key, now), now) + EVERY_S
            pause = max(0.0, free_at - now - FREE * EVERY_S)
            if pause <= MAX_PAUSE_S:
                self._free_at[key] = free_at
        return pause

    def give_back(self, key: Any) -> None:
        """One that was counted did not take place."""
        with self._lock:
            if key in self._free_at:
                self._free_at[key] -= EVERY_S


class Gate:
    """Lets handshakes pass one after the other; everything else passes at once."""

    def __init__(self, inner: Wsgi, turns: Turns, closing: Callable[[], bool]) -> None:
        self._inner, self._turns, self._closing = inner, turns, closing
        self.allowance = Allowance()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            return self._inner(environ, start_response)
        key = _key(environ)
        pause = self.allowance.take(key) if key else 0.0
        if pause > MAX_PAUSE_S:
            return _refused(start_response, TOO_OFTEN, pause)
        if self._has_gone(environ, pause):
            self.allowance.give_back(key)
            return _nobody(start_response)
        if not self._turns.begin(PATIENCE_S, environ.get("REMOTE_ADDR", "")):
            self.allowance.give_back(key)
            log.warning("a handshake has waited for %d s: %d wait", PATIENCE_S, len(self._turns))
            return _refused(start_response, TOO_MANY, PATIENCE_S)
        if _is_gone(environ):
            self.allowance.give_back(key)
            return _nobody(start_response)
        return self._inner(environ, start_response)

    def _has_gone(self, environ: Environ, pause: float) -> bool:
        """Wait so long, or until the caller hangs up; whether it has.

        It is looked at now and then: who speaks early stays readable, and would be looked at without end.
        """
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self._closing():
            if _is_gone(environ):
                return True
            time.sleep(min(left, LOOK_S))
        return False


def _key(environ: Environ) -> tuple[str, str] | None:
    """Who calls: one address cannot use up what another has of the same charger."""
    path = str(environ.get("PATH_INFO", "")).rstrip("/")
    return None if path.endswith(NO_CHARGER) else (environ.get("REMOTE_ADDR", ""), path.rpartition("/")[2])


def _is_gone(environ: Environ) -> bool:
    """Whether the caller has hung up. Who speaks early is there."""
    connection: Any = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None:
        return False
    with suppress(OSError, ValueError):
        raw = getattr(connection, "_sock", connection)  # gevent's would wait
        try:
            return not raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
    return True


def _refused(start_response: StartResponse, sentence: str, seconds: float) -> list[bytes]:
    body = f"{sentence}\n".encode()
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(math.ceil(seconds))),
        ("Connection", "close"),
    ]
    start_response("503 Service Unavailable", fields)
    return [body]


def _nobody(start_response: StartResponse) -> list[bytes]:
    """Nobody reads this answer."""
    start_response("400 Bad Request", [("Content-Length", "0"), ("Connection", "close")])
    return []
