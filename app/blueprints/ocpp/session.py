"""One connection: frames in and out, answers matched to questions. Knows no database and no Flask.

The reader feeds frames in; each CALL is submitted to ``serve`` (the journal, in production), which calls back
with the answer once it is durable. One CALL is served at a time, in order (OCPP-J 1.6, 4.1.1).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from app.blueprints.ocpp import leniency, wire
from app.blueprints.ocpp.outbox import Outbox, Outgoing
from app.blueprints.ocpp.wire import Call, ProtocolFault, Version

log = logging.getLogger(__name__)

# Frames that may wait unread; more is a flood.
MAX_BACKLOG = 1000
# Answers remembered for questions that are repeated (same id, same payload).
REMEMBERED = 8
MAX_REMEMBERED = 4096
POLICY_VIOLATION = 1008
INTERNAL_ERROR = "InternalError"
NO_ID = f"not a string of 1 to {wire.MAX_ID_LENGTH} characters"


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


Answered = Callable[[str | None], None]
Serve = Callable[[Incoming, Answered], None]


class Session:
    """The conversation with one charge point over one socket.

    ``serve(incoming, answered)`` handles a CALL and later calls ``answered`` with the text to send, or None.
    ``record(outgoing)`` is told of every CALL of ours that has ended.
    """

    __slots__ = (
        "_backlog", "_busy", "_lock", "_remembered", "_serve", "line", "outbox", "strict", "version",
    )  # fmt: skip

    def __init__(
        self, line: Line, version: Version, serve: Serve, record: Callable[[Outgoing], None], *, strict: bool,
        registration: str = "Accepted", may_send: bool = False,
    ) -> None:  # fmt: skip
        self.line, self.version, self.strict = line, version, strict
        self._serve = serve
        self.outbox = Outbox(line, record, registration, may_send)
        self._lock = threading.RLock()
        self._backlog: deque[Incoming] = deque()
        self._busy = False
        self._remembered: dict[str, tuple[int, str]] = {}

    def run(self) -> None:
        """Serve the socket until it closes; then every command that waits fails at once."""
        try:
            for frame in self.line.frames():
                try:
                    self.feed(frame)
                except Exception:  # a message that fails never costs the socket
                    log.exception("a frame could not be taken")
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
            self.outbox.arrived(message, _as_text(frame))

    def call(self, action: str, payload: dict[str, Any], timeout_s: float) -> Outgoing:
        """Ask the charge point, in its turn, and wait for the answer. Called from other threads.

        The ``Outgoing`` has a result, an error, is ``lost`` (the socket closed) or has none (time is up).
        Raises ``NotSent`` where the standard forbids to ask.
        """
        return self.outbox.call(action, self.version.in_order(action, payload), timeout_s)

    def end(self) -> None:
        """The socket is gone: nobody waits for an answer any more. What had arrived is still served."""
        self.outbox.end()

    # Questions of the charge point

    def _incoming(self, text: str, message: Call) -> Incoming:
        action = message.action[:100] if isinstance(message.action, str) else ""
        incoming = Incoming(text, id=message.id, action=action)
        try:
            self._understand(incoming, message)
        except ProtocolFault as fault:
            incoming.fault = fault
        return incoming

    def _understand(self, incoming: Incoming, message: Call) -> None:
        id = message.id
        if not isinstance(id, str) or not 0 < len(id) <= wire.MAX_ID_LENGTH:
            if isinstance(id, dict | list):  # nobody can be answered by that
                incoming.id = None
            if self.strict or incoming.id is None:
                raise ProtocolFault("FormationViolation", f"the message id is {NO_ID}")
            incoming.deviations.append(f"message id: {NO_ID}")
        shape = self.version.incoming.get(incoming.action)
        if shape is None:
            code = "NotSupported" if incoming.action in self.version.outgoing else "NotImplemented"
            raise ProtocolFault(code, f"{incoming.action or 'this'} is not served here")
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
            answer = self._known_answer(incoming)
            if answer is None:
                try:
                    self._serve(incoming, partial(self._served, incoming))
                    return
                except Exception:  # it costs this message alone
                    ids = {"message_id": incoming.id, "action": incoming.action}
                    log.exception("a message could not be submitted", extra=ids)
                    answer = wire.error_text(incoming.id, INTERNAL_ERROR, "the message could not be handled")
            self._send(answer)

    def _served(self, incoming: Incoming, answer: str | None) -> None:
        if answer is not None:
            self._remember(incoming, answer)
            self._send(answer)
        if incoming.fault is None and not self.outbox.may_send and incoming.action != "BootNotification":
            self.outbox.allow()  # it works without a Boot: it has been up before (J 5.4)
        self._serve_next()

    def _known_answer(self, incoming: Incoming) -> str | None:
        """The answer already given, where id and payload are the same again."""
        if not isinstance(incoming.id, str):
            return None
        found = self._remembered.get(incoming.id)
        return found[1] if found and found[0] == hash(incoming.text) else None

    def _remember(self, incoming: Incoming, answer: str) -> None:
        if not isinstance(incoming.id, str) or len(answer) > MAX_REMEMBERED:
            return
        self._remembered[incoming.id] = (hash(incoming.text), answer)
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _send(self, text: str) -> None:
        try:
            self.line.send(text)
        except Exception:  # whatever a dying socket raises: its reader ends the session
            log.debug("an answer could not be sent")


def _as_text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
