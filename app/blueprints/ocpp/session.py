"""One connection: frames in and out, answers matched to questions. Knows no database and no Flask.

The reader feeds frames in; each CALL is submitted to ``serve`` (the journal, in production), which calls back with
the answer once it is durable. One CALL of a charge point is served at a time, in order (OCPP-J 1.6, 4.1.1).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.blueprints.ocpp import leniency, wire
from app.blueprints.ocpp.wire import Call, CallError, CallResult, ProtocolFault, Version

log = logging.getLogger(__name__)

# Frames that may wait unread; more is a flood.
MAX_BACKLOG = 1000
# Answers remembered for questions that are repeated (same id, same payload).
REMEMBERED = 8
POLICY_VIOLATION = 1008
INTERNAL_ERROR = "InternalError"


class Line(Protocol):
    """The socket, as a session sees it."""

    open: bool

    def frames(self) -> Iterable[str | bytes]: ...

    def send(self, text: str) -> None: ...

    def close(self, code: int = ..., reason: str = ...) -> None: ...


@dataclass(slots=True)
class Incoming:
    """A CALL of the charge point on its way to its handler, or a frame that only goes on record."""

    text: str
    id: Any = None
    action: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)
    # Decided before any handler: the CALLERROR that answers it.
    fault: ProtocolFault | None = None


@dataclass(slots=True)
class Outgoing:
    """A CALL of ours and what became of it."""

    action: str
    payload: dict[str, Any]
    timeout_s: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    text: str = ""
    sent_at: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)
    result: dict[str, Any] | None = None
    error: CallError | None = None
    answer_text: str = ""
    lost: bool = False


class NotSent(Exception):
    """A command that this charge point must not be sent now; ``reason`` is a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Answered = Callable[[str | None], None]
Serve = Callable[[Incoming, Answered], None]


class Session:
    """The conversation with one charge point over one socket.

    ``serve(incoming, answered)`` handles a CALL and later calls ``answered`` with the text to send (None: nothing).
    ``record(outgoing)`` is told of every CALL of ours that has ended.
    """

    __slots__ = (
        "_backlog", "_busy", "_current", "_lock", "_queue", "_record", "_remembered", "_serve", "line",
        "may_send", "registration", "strict", "version",
    )  # fmt: skip

    def __init__(
        self, line: Line, version: Version, serve: Serve, record: Callable[[Outgoing], None], *, strict: bool,
        registration: str = "Accepted", may_send: bool = False,
    ) -> None:  # fmt: skip
        self.line, self.version, self.strict = line, version, strict
        self._serve, self._record = serve, record
        # What Boot was last answered: Pending and Rejected limit what we send (OCPP 1.6, 4.2).
        self.registration = registration
        # Nothing is sent before the first Boot is answered (J 5.4 excepts reconnects).
        self.may_send = may_send
        self._lock = threading.RLock()
        self._backlog: deque[Incoming] = deque()
        self._busy = False
        self._remembered: dict[str, tuple[bytes, str]] = {}
        self._queue: deque[Outgoing] = deque()
        self._current: Outgoing | None = None

    def run(self) -> None:
        """Serve the socket until it closes; then every command that waits fails at once."""
        try:
            for frame in self.line.frames():
                self.feed(frame)
        finally:
            self.end()

    def feed(self, frame: str | bytes) -> None:
        """Take one frame: a question joins the backlog, an answer finds its question."""
        try:
            message = wire.read(frame)
        except ProtocolFault as fault:
            self._enqueue(Incoming(_as_text(frame), id=fault.id, fault=fault))
            return
        if isinstance(message, Call):
            self._enqueue(self._incoming(_as_text(frame), message))
        else:
            self._answer_arrived(message, _as_text(frame))

    def call(self, action: str, payload: dict[str, Any], timeout_s: float) -> Outgoing:
        """Ask the charge point, in its turn, and wait for the answer. Called from other threads.

        The returned ``Outgoing`` has a result, an error, is ``lost`` (the socket closed) or has none (time is up).
        Raises ``NotSent`` where the standard forbids to ask.
        """
        outgoing = Outgoing(action, payload, timeout_s)
        outgoing.text = wire.call_text(outgoing.id, action, payload)
        with self._lock:
            self._check_allowed(action)
            if not self.line.open:
                outgoing.lost = True
                return outgoing
            self._queue.append(outgoing)
            self._send_next()
        outgoing.done.wait(timeout_s)
        self._give_up(outgoing)
        self._record(outgoing)
        return outgoing

    def allow_sending(self) -> None:
        """The charge point is up: what waited may go."""
        with self._lock:
            self.may_send = True
            self._send_next()

    def end(self) -> None:
        """The socket is gone: nobody waits for an answer any more."""
        with self._lock:
            waiting = [*self._queue, *([self._current] if self._current else [])]
            self._queue.clear()
            self._current = None
            self._backlog.clear()
        for outgoing in waiting:
            outgoing.lost = True
            outgoing.done.set()

    # Questions of the charge point

    def _incoming(self, text: str, message: Call) -> Incoming:
        incoming = Incoming(text, id=message.id, action=str(message.action)[:100])
        try:
            self._understand(incoming, message)
        except ProtocolFault as fault:
            incoming.fault = fault
        return incoming

    def _understand(self, incoming: Incoming, message: Call) -> None:
        id = message.id
        if not isinstance(id, str) or not 0 < len(id) <= wire.MAX_ID_LENGTH:
            if self.strict or isinstance(id, dict | list):
                raise ProtocolFault("FormationViolation", "the message id must be a string of 1 to 36 characters")
            incoming.deviations.append("message id: not a string of 1 to 36 characters")
        shape = self.version.incoming.get(incoming.action)
        if shape is None or not isinstance(message.action, str):
            known = incoming.action in self.version.outgoing
            raise ProtocolFault("NotSupported" if known else "NotImplemented", f"{incoming.action} is not served here")
        if shape.fits(message.payload):
            incoming.payload = message.payload
        elif self.strict:
            raise self.version.fault(shape, message.payload)
        elif message.payload is not None and not isinstance(message.payload, dict):
            raise ProtocolFault("FormationViolation", "the payload is not an object")
        else:
            incoming.payload, deviations = leniency.soften(shape, message.payload)
            incoming.deviations += deviations

    def _enqueue(self, incoming: Incoming) -> None:
        with self._lock:
            if len(self._backlog) >= MAX_BACKLOG:
                self._backlog.clear()
                self.line.close(POLICY_VIOLATION, "too many messages wait")
                return
            self._backlog.append(incoming)
            if self._busy:
                return
            self._busy = True
        self._serve_next()

    def _serve_next(self) -> None:
        while True:
            with self._lock:
                if not self._backlog:
                    self._busy = False
                    return
                incoming = self._backlog.popleft()
            known = self._known_answer(incoming)
            if known is None:
                break
            self._send(known)
        self._serve(incoming, lambda answer: self._served(incoming, answer))

    def _served(self, incoming: Incoming, answer: str | None) -> None:
        if answer is not None:
            self._remember(incoming, answer)
            self._send(answer)
        if incoming.fault is None and not self.may_send and incoming.action != "BootNotification":
            self.allow_sending()  # it works without a Boot: it has been up before (J 5.4)
        self._serve_next()

    def _known_answer(self, incoming: Incoming) -> str | None:
        """The answer already given, where id and payload are the same again."""
        if not isinstance(incoming.id, str):
            return None
        found = self._remembered.get(incoming.id)
        return found[1] if found and found[0] == _digest(incoming.text) else None

    def _remember(self, incoming: Incoming, answer: str) -> None:
        if not isinstance(incoming.id, str):
            return
        self._remembered[incoming.id] = (_digest(incoming.text), answer)
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _send(self, text: str) -> None:
        try:
            self.line.send(text)
        except Exception:  # whatever a dying socket raises: its reader ends the session
            log.debug("an answer could not be sent")

    # Questions of ours

    def _check_allowed(self, action: str) -> None:
        if self.registration == "Rejected":
            raise NotSent("the charger's registration is rejected: nothing is sent to it")
        if self.registration == "Pending" and action in ("RemoteStartTransaction", "RemoteStopTransaction"):
            raise NotSent("the charger's registration is pending: no remote start or stop")

    def _send_next(self) -> None:
        """Send the next of the queue, unless one is unanswered (J 4.1.1)."""
        while self.may_send and self._current is None and self._queue:
            self._current = self._queue.popleft()
            self._current.sent_at = time.time()
            try:
                self.line.send(self._current.text)
            except Exception:  # as in _send; end() tells the waiting
                log.debug("a command could not be sent")
                return

    def _answer_arrived(self, message: CallResult | CallError, text: str) -> None:
        with self._lock:
            current = self._current
            if current is None or message.id != current.id:
                log.info("an answer that nobody waits for: %s", text[:200])
                return
            self._current = None
            current.answer_text = text
            if isinstance(message, CallError):
                current.error = message
            else:
                current.result = message.payload if isinstance(message.payload, dict) else {}
            current.done.set()
            self._send_next()

    def _give_up(self, outgoing: Outgoing) -> None:
        """Time is up: the queue goes on, and a late answer is nobody's."""
        with self._lock:
            if outgoing in self._queue:
                self._queue.remove(outgoing)
            if self._current is outgoing:
                self._current = None
                self._send_next()


def _as_text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
