"""Carries a command to the process that holds the charger's socket: a function call, or Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.errors import (
    BusAway,
    ChargerOffline,
    CommandNotAllowed,
    NoAnswer,
    RefusedByCharger,
)
from app.blueprints.ocpp.outbox import NotSent, Outgoing
from app.blueprints.ocpp.presence import Away
from app.blueprints.ocpp.registry import Connection, Registry
from app.clock import utcnow

# WebSocket close code: come back.
SERVICE_RESTART = 1012


@dataclass(frozen=True)
class Answer:
    """What went out, and the charge point's own answer."""

    sent: str
    response: dict[str, Any]


@dataclass(frozen=True)
class Presence:
    """A connected charge point."""

    since: datetime
    address: str


class Dispatcher:
    """Finds the process that holds a charger and has it send."""

    def __init__(
        self,
        registry: Registry,
        bus: Bus | None,
        timeout_s: float,
        count: Callable[[str, str], None] = lambda _action, _result: None,
    ) -> None:
        self.registry, self.bus, self.timeout_s = registry, bus, timeout_s
        # Told of commands that cannot be sent: their action, and why.
        self._count = count

    def send(self, charger_id: str, action: str, payload: dict[str, Any], timeout_s: float | None) -> Answer:
        """Send a checked command and wait for its answer. Raises the errors of ``errors``."""
        try:
            outcome = self._outcome(charger_id, action, payload, timeout_s or self.timeout_s)
        except (ChargerOffline, BusAway) as error:
            self._count(action, "no connection" if isinstance(error, ChargerOffline) else "bus away")
            raise
        if "not_sent" in outcome:
            self._count(action, "not allowed")
        return _answer(outcome)

    def answers(self, charger_id: str) -> bool:
        """Whether the charger's present socket, on any process, answers a ping."""
        if self.registry.find(charger_id) is not None or self.bus is None:
            return self.registry.answers(charger_id)
        try:
            question = {"charger_id": charger_id, "ping": True}
            return bool(self._elsewhere(charger_id, question).get("alive"))
        except (ChargerOffline, BusAway):
            return False

    def hang_up(self, charger_id: str) -> None:
        """Staff have set the charger up anew: it shall come back and be judged again, if it may."""
        connection = self.registry.find(charger_id)
        if connection is not None:
            connection.line.close(SERVICE_RESTART, "the charger was set up anew: connect again")
        elif self.bus is not None:
            with suppress(ChargerOffline, BusAway):
                self._elsewhere(charger_id, {"charger_id": charger_id, "hang_up": True})

    def presence(self) -> dict[str, Presence]:
        """Every connected charger, on all processes; this process's own when the bus is away."""
        found = {id: Presence(held.since, held.address) for id, held in self.registry.all().items()}
        if self.bus is None:
            return found
        try:
            elsewhere = self.bus.elsewhere()
        except Away:
            return found
        for held in elsewhere.values():
            for charger_id, text in held.items():
                other, known = presence_of(text), found.get(charger_id)
                if known is None or other.since > known.since:
                    found[charger_id] = other
        return found

    def connected(self, charger_ids: Iterable[str]) -> set[str]:
        """Those of a few chargers that are connected; only to this process when the bus is away."""
        asked = set(charger_ids)
        here = {charger_id for charger_id in asked if self.registry.find(charger_id)}
        if self.bus is not None and (missing := sorted(asked - here)):
            with suppress(Away):
                here |= self.bus.held_elsewhere(missing)
        return here

    def address_of(self, charger_id: str) -> str | None:
        """The address of the charger's present connection, on any process."""
        connection = self.registry.find(charger_id)
        if connection is not None:
            return connection.address
        if self.bus is None:
            return None
        try:
            held = [presence_of(text) for text in self.bus.holders(charger_id).values()]
        except Away:
            return None
        return max(held, key=lambda one: one.since).address if held else None

    def serve(self, message: dict[str, Any]) -> dict[str, Any]:
        """Another process asks us to send, or whether a charger is alive."""
        charger_id = message["charger_id"]
        if message.get("ping"):
            return {"alive": self.registry.answers(charger_id)}
        connection = self.registry.find(charger_id)
        if connection is None:
            return {"lost": True}
        if message.get("hang_up"):
            self.hang_up(charger_id)
            return {}
        return self._call(connection, message["action"], message["payload"], message["timeout_s"])

    def _outcome(
        self, charger_id: str, action: str, payload: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        connection = self.registry.find(charger_id)
        if connection is not None:
            return self._call(connection, action, payload, timeout_s)
        if self.bus is None:
            raise ChargerOffline
        message = {"charger_id": charger_id, "action": action, "payload": payload, "timeout_s": timeout_s}
        return self._elsewhere(charger_id, message)

    def _call(
        self, connection: Connection, action: str, payload: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        try:
            return _outcome(connection.session.call(action, payload, timeout_s))
        except NotSent as refusal:
            return {"not_sent": refusal.reason}

    def _elsewhere(self, charger_id: str, message: dict[str, Any]) -> dict[str, Any]:
        assert self.bus is not None
        try:
            holders = self.bus.holders(charger_id)
            if not holders:
                raise ChargerOffline
            # Two say that they hold it: one has not noticed yet that the charger has moved.
            newest = max(holders, key=lambda process: presence_of(holders[process]).since)
            return self.bus.request(newest, message)
        except Away:
            raise BusAway from None


def _outcome(outgoing: Outgoing) -> dict[str, Any]:
    """What became of a command, as it travels between processes."""
    error = outgoing.error
    return {
        "sent": outgoing.text,
        "result": outgoing.result,
        "error": [error.code, error.description] if error else None,
        "lost": outgoing.lost,
    }


def _answer(outcome: dict[str, Any]) -> Answer:
    if "not_sent" in outcome:
        raise CommandNotAllowed(outcome["not_sent"])
    if outcome.get("lost"):
        raise ChargerOffline
    if outcome.get("error"):
        raise RefusedByCharger(*outcome["error"])
    if outcome.get("result") is None:
        raise NoAnswer
    return Answer(outcome["sent"], outcome["result"])


def described(connection: Connection) -> str:
    """A connection's presence, as it travels between processes: short, there may be thousands."""
    return f"{connection.since.isoformat()} {connection.address}"


def presence_of(text: str) -> Presence:
    """The opposite of ``described``."""
    since, _, address = text.partition(" ")
    return Presence(datetime.fromisoformat(since), address)


def _dispatcher() -> Dispatcher:
    found: Dispatcher = current_app.extensions["ocpp"].dispatcher
    return found


def send(charger_id: str, action: str, payload: dict[str, Any], timeout_s: float | None = None) -> Answer:
    """Send a checked command to a charger, wherever it is connected."""
    return _dispatcher().send(charger_id, action, payload, timeout_s)


def hang_up(charger_id: str) -> None:
    """Have a charger connect again, wherever it is connected."""
    _dispatcher().hang_up(charger_id)


def connected(charger_ids: Iterable[str]) -> set[str]:
    """Those of a few chargers that are connected."""
    return _dispatcher().connected(charger_ids)


def presence() -> dict[str, Presence]:
    """Every connected charger."""
    return _dispatcher().presence()


def presence_of_one(charger_id: str) -> dict[str, Presence]:
    """Whether one charger is connected, as ``presence`` tells of all: since when and whence is not asked."""
    return {id: Presence(utcnow(), "") for id in connected({charger_id})}
