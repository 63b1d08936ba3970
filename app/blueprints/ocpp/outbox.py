"""Our questions to one charge point: one at a time, in order, each with a time limit (OCPP-J 1.6, 4.1.1)."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.blueprints.ocpp import wire
from app.blueprints.ocpp.wire import CallError, CallResult

log = logging.getLogger(__name__)


class Sender(Protocol):
    """The socket, as far as questions need it."""

    open: bool

    def send(self, text: str) -> None: ...


@dataclass(slots=True)
class Outgoing:
    """A CALL of ours and what became of it."""

    action: str
    payload: dict[str, Any]
    timeout_s: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    text: str = ""
    # On the monotonic clock; 0: it was not sent.
    sent_at: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    result: dict[str, Any] | None = None
    error: CallError | None = None
    answer_text: str = ""
    lost: bool = False

    @property
    def outcome(self) -> str:
        """What became of it, in a word or two."""
        if self.error is not None:
            return "refused"
        if self.result is not None:
            return "answered"
        return "lost" if self.lost else "no answer"


class NotSent(Exception):
    """A command that this charge point must not be sent now; ``reason`` is a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outbox:
    """The questions to one charge point. ``record(outgoing)`` is told of every one that has ended."""

    __slots__ = ("_current", "_line", "_lock", "_queue", "_record", "may_send", "registration")

    def __init__(
        self, line: Sender, record: Callable[[Outgoing], None], registration: str, may_send: bool
    ) -> None:
        self._line, self._record = line, record
        # What Boot was last answered: Pending and Rejected limit what we send (OCPP 1.6, 4.2).
        self.registration = registration
        # Nothing is sent before the first Boot is answered (J 5.4 excepts reconnects).
        self.may_send = may_send
        self._lock = threading.RLock()
        self._queue: deque[Outgoing] = deque()
        self._current: Outgoing | None = None

    def booted(self, registration: str) -> None:
        """Boot has been answered so."""
        self.registration = registration
        self.allow()

    def call(self, action: str, payload: dict[str, Any], timeout_s: float) -> Outgoing:
        """Ask in turn, and wait for the answer. Raises ``NotSent`` where the standard forbids to ask."""
        outgoing = Outgoing(action, payload, timeout_s)
        outgoing.text = wire.call_text(outgoing.id, action, payload)
        with self._lock:
            self._check_allowed(action)
            if not self._line.open:
                outgoing.lost = True
                return outgoing
            self._queue.append(outgoing)
            self._send_next()
        self._await(outgoing)
        self._give_up(outgoing)
        if not outgoing.sent_at and not outgoing.lost:
            self._check_allowed(action)  # what Boot was answered meanwhile
        self._record(outgoing)
        return outgoing

    def allow(self) -> None:
        """The charge point is up: what waited may go."""
        with self._lock:
            self.may_send = True
            self._send_next()

    def arrived(self, message: CallResult | CallError, text: str) -> None:
        """An answer finds its question."""
        with self._lock:
            current = self._current
            if current is None or message.id != current.id:
                log.info("an answer that nobody waits for: %s", text[:200], extra={"message_id": message.id})
                return
            self._current = None
            current.answer_text = text
            if isinstance(message, CallError):
                current.error = message
            else:
                current.result = message.payload if isinstance(message.payload, dict) else {}
            current.done.set()
            self._send_next()

    def end(self) -> None:
        """The socket is gone: nobody waits for an answer any more."""
        with self._lock:
            waiting = [*self._queue, *([self._current] if self._current else [])]
            self._queue.clear()
            self._current = None
        for outgoing in waiting:
            outgoing.lost = True
            outgoing.done.set()

    def _check_allowed(self, action: str) -> None:
        if reason := self._forbidden(action):
            raise NotSent(reason)

    def _forbidden(self, action: str) -> str:
        """Why the charge point may not be asked this now; empty: it may."""
        if self.registration == "Rejected":
            return "the charger's registration is rejected: nothing is sent to it"
        if self.registration == "Pending" and action in ("RemoteStartTransaction", "RemoteStopTransaction"):
            return "the charger's registration is pending: no remote start or stop"
        return ""

    def _send_next(self) -> None:
        while self.may_send and self._current is None and self._queue:
            outgoing = self._queue.popleft()
            if self._forbidden(outgoing.action):  # Boot was answered so while it waited
                outgoing.done.set()
                continue
            self._current = outgoing
            outgoing.sent_at = time.monotonic()
            try:
                self._line.send(outgoing.text)
            except Exception:  # whatever a dying socket raises; end() tells those who wait
                log.debug("a command could not be sent")
                return

    def _await(self, outgoing: Outgoing) -> None:
        """Wait for the answer. A command's time runs from when it is sent: those before it use their own."""
        left = outgoing.timeout_s
        while left > 0 and not outgoing.done.wait(left):
            if outgoing.sent_at:
                left = outgoing.sent_at + outgoing.timeout_s - time.monotonic()
            elif not self.may_send:
                return

    def _give_up(self, outgoing: Outgoing) -> None:
        """Time is up: the queue goes on, and a late answer is nobody's."""
        with self._lock:
            if outgoing in self._queue:
                self._queue.remove(outgoing)
            if self._current is outgoing:
                self._current = None
                self._send_next()
