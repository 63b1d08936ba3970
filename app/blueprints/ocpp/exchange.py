"""One question of a charge point as an operation of the journal: handled, recorded, answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ocpp.routing import create_route_map

from app.blueprints.ocpp import wire
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.messages import Request, payload_of
from app.blueprints.ocpp.outbox import Outgoing
from app.blueprints.ocpp.services import authorization
from app.blueprints.ocpp.session import INTERNAL_ERROR, Answered, Incoming
from app.blueprints.ocpp.terms import Needs
from app.blueprints.ocpp.work import Work

log = logging.getLogger(__name__)

# Longer frames are kept cut: the readings in them are kept whole elsewhere.
MAX_LOGGED = 20_000
# Payloads of the standard have five levels.
MAX_DEPTH = 20
CHARGING = {"StartTransaction", "MeterValues", "StopTransaction"}
# How actions are counted that are not served here: there is no end to them.
OTHER = "other"
TAGGED = {"Authorize", "StartTransaction", "StopTransaction"}

Handler = Callable[[Work, Any, Any], Any]


class CentralSystem:
    """The handlers of one protocol version: action → (request builder, handler)."""

    def __init__(self, module: ModuleType) -> None:
        self.routes: dict[str, tuple[Request, Handler]] = {}
        for action, route in create_route_map(module).items():
            name = str(getattr(action, "value", action))
            handler = route["_on_action"]
            self.routes[name] = (Request(name), getattr(handler, "__wrapped__", handler))


class Exchange:
    """Handles one CALL inside the journal's transaction and answers it after the commit."""

    __slots__ = (
        "_answered",
        "_central_system",
        "_charger",
        "_incoming",
        "_journal",
        "_name",
        "_on_boot",
        "needs",
    )

    def __init__(
        self, charger: int, incoming: Incoming, answered: Answered, central_system: CentralSystem,
        journal: Journal, on_boot: Callable[[str], None], name: str = "",
    ) -> None:  # fmt: skip
        self._name = name
        self._charger, self._incoming, self._answered = charger, incoming, answered
        self._central_system, self._journal, self._on_boot = central_system, journal, on_boot
        if "\\u" in incoming.text:
            incoming.payload = storable(incoming.payload)
        self.needs = self._needs()

    def run(self, work: Work) -> tuple[str | None, str]:
        """(The answer's text, the registration status that Boot was told)."""
        incoming = self._incoming
        charger = work.charger(self._charger)
        work.seen(charger)
        if incoming.fault is not None:
            answer = None
            if incoming.fault.id is not None or incoming.id is not None:
                answer = wire.error_text(incoming.id, incoming.fault.code, incoming.fault.description)
            self._record(work, answer, incoming.fault.code)
            return answer, ""
        build, handler = self._central_system.routes[incoming.action]
        result = payload_of(handler(work, charger, build(incoming.payload, self._told())))
        answer = wire.result_text(incoming.id, result)
        self._record(work, answer, "")
        return answer, result.get("status", "") if incoming.action == "BootNotification" else ""

    def done(self, result: tuple[str | None, str]) -> None:
        """The commit is durable: answer."""
        answer, registration = result
        self._answered(answer)
        fault = self._incoming.fault
        self._count("ok" if fault is None else fault.code)
        if registration:
            self._on_boot(registration)

    def failed(self, error: BaseException) -> None:
        """It is not known to be stored: the charge point is told so, the cause stays in the log."""
        self._count(INTERNAL_ERROR)
        fault = wire.ProtocolFault(INTERNAL_ERROR, "the message could not be handled")
        ids = {"charger": self._name, "message_id": self._incoming.id, "action": self._incoming.action}
        log.error("charger %s: %s failed: %r", self._name, self._incoming.action, error, extra=ids)
        answer = wire.error_text(self._incoming.id, fault.code, fault.description)
        if not isinstance(error, Exception) or self._incoming.fault is not None:
            self._answered(answer)
            return
        self._journal.submit(_Note(self._charger, self._incoming, answer, self._answered))

    def _count(self, result: str) -> None:
        action = self._incoming.action
        self._journal.tally.message(action if action in self._central_system.routes else OTHER, result)

    def _needs(self) -> Needs:
        incoming = self._incoming
        if incoming.fault is not None:
            return Needs(self._charger)
        id_tag = (
            authorization.normalized(incoming.payload.get("idTag")) if incoming.action in TAGGED else None
        )
        start = incoming.action == "StartTransaction"
        return Needs(self._charger, id_tag, incoming.action in CHARGING, start)

    def _told(self) -> dict[str, Any]:
        """The payload as the charge point worded it: a lenient reading leaves out what nobody understands."""
        if not self._incoming.deviations:
            return self._incoming.payload
        payload = getattr(wire.read(self._incoming.text), "payload", None)
        return storable(payload) if isinstance(payload, dict) else {}

    def _record(self, work: Work, answer: str | None, error_code: str) -> None:
        record_incoming(work, self._charger, self._incoming, answer, error_code)


class _Note:
    """Records a message whose handler failed, and answers it all the same."""

    def __init__(self, charger: int, incoming: Incoming, answer: str, answered: Answered) -> None:
        self.needs = Needs(charger)
        self._charger, self._incoming, self._answer, self._answered = charger, incoming, answer, answered

    def run(self, work: Work) -> None:
        work.seen(work.charger(self._charger))
        record_incoming(work, self._charger, self._incoming, self._answer, INTERNAL_ERROR)

    def done(self, _result: None) -> None:
        self._answered(self._answer)

    def failed(self, _error: BaseException) -> None:
        self._answered(self._answer)


class OutgoingRecord:
    """Records a CALL of ours and what became of it; nobody waits for it."""

    def __init__(self, charger: int, outgoing: Outgoing, name: str = "") -> None:
        self.needs = Needs(charger)
        self._charger, self._outgoing, self._name = charger, outgoing, name

    def run(self, work: Work) -> None:
        outgoing, now = self._outgoing, work.stored_now
        if outgoing.answer_text:
            work.seen(work.charger(self._charger))
        code = outgoing.error.code if outgoing.error else ""
        if not outgoing.answer_text:
            code = "no connection" if outgoing.lost else "no answer in time"
        work.add(
            "message",
            (
                self._charger, "out", now, now if outgoing.answer_text else None, outgoing.action,
                outgoing.id, storable(masked(outgoing)),
                storable(masked_answer(outgoing)[:MAX_LOGGED]) or None, code[:40], "",
            ),
        )  # fmt: skip

    def done(self, _result: None) -> None:
        """Nobody waits."""

    def failed(self, error: BaseException) -> None:
        """The command itself has been carried out all the same."""
        ids = {"charger": self._name, "message_id": self._outgoing.id, "action": self._outgoing.action}
        log.error("a command's record was lost: %r", error, extra=ids)


def record_incoming(
    work: Work, charger: int, incoming: Incoming, answer: str | None, error_code: str
) -> None:
    """One row of the message log for a frame of the charge point and our answer."""
    now = work.stored_now
    id = incoming.id if isinstance(incoming.id, str) else "" if incoming.id is None else str(incoming.id)
    text = incoming.text
    work.add(
        "message",
        (
            charger, "in", now, now if answer else None, storable(incoming.action), storable(id[:255]),
            storable(text if len(text) <= MAX_LOGGED else text[:MAX_LOGGED]), answer and storable(answer),
            error_code, "\n".join(map(storable, incoming.deviations)) if incoming.deviations else "",
        ),
    )  # fmt: skip


def masked(outgoing: Outgoing) -> str:
    """The frame without secrets: a charger's key is never logged."""
    key = outgoing.payload.get("key") if outgoing.action == "ChangeConfiguration" else None
    if key is not None and key.lower() == "authorizationkey":  # CiString50: case does not count
        return wire.call_text(outgoing.id, outgoing.action, {**outgoing.payload, "value": "********"})
    return outgoing.text[:MAX_LOGGED]


def masked_answer(outgoing: Outgoing) -> str:
    """The charge point's answer without secrets: some tell their key when asked for their configuration."""
    told = (outgoing.result or {}).get("configurationKey") if outgoing.action == "GetConfiguration" else None
    if not isinstance(told, list) or "authorizationkey" not in outgoing.answer_text.lower():
        return outgoing.answer_text
    kept = [
        {**item, "value": "********"} if str(item.get("key")).lower() == "authorizationkey" else item
        for item in told
        if isinstance(item, dict)
    ]
    return wire.result_text(outgoing.id, {**(outgoing.result or {}), "configurationKey": kept})


def storable(value: Any, depth: int = MAX_DEPTH) -> Any:
    """What every database takes: no NUL, no lone surrogates; containers too, as deep as makes sense."""
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(item, depth - 1) for key, item in value.items()} if depth else None
    if isinstance(value, list):
        return [storable(item, depth - 1) for item in value] if depth else None
    return value
