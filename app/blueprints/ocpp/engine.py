"""The line of one process, put together: journal, registry, bus, dispatcher, live updates."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from flask import Flask

from app.blueprints.ocpp import dispatch, live, prepaid
from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.central_system import v16
from app.blueprints.ocpp.dispatch import Dispatcher
from app.blueprints.ocpp.exchange import CentralSystem
from app.blueprints.ocpp.gate import Gate
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.live import Live
from app.blueprints.ocpp.prepaid import Prepaid
from app.blueprints.ocpp.presence import ARRIVED, Away
from app.blueprints.ocpp.registry import Registry
from app.blueprints.ocpp.tally import Shared
from app.blueprints.ocpp.terms import News, Settings
from app.blueprints.ocpp.turns import Turns
from app.blueprints.ocpp.vigil import Vigil
from app.db import db

# What waits for the database when the process ends may take this long.
DRAIN_S = 3.0


class Engine:
    """Everything that a process needs to hold chargers."""

    def __init__(self, app: Flask) -> None:
        settings = app.config
        self.bus = Bus(settings["REDIS_URL"]) if settings["REDIS_URL"] else None
        self.live = Live(self.bus)
        with app.app_context():
            engine = db.engine
        self.journal = Journal(
            engine,
            Settings(
                settings["OCPP_HEARTBEAT_INTERVAL"], settings["OCPP_REQUIRE_RFID"], settings["TIME_ZONE"]
            ),
            on_commit=self._committed,
        )
        self.registry = Registry(
            settings["OCPP_MAX_CHARGERS"],
            settings["OCPP_MAX_CHARGERS_PER_ADDRESS"],
            settings["OCPP_PING_INTERVAL"],
        )
        self.tally = Shared(self.journal.tally, self.bus, lambda: self.journal.waiting)
        self.prepaid = Prepaid(self.registry, self.bus, self.journal, settings["OCPP_CALL_TIMEOUT"])
        self.dispatcher = Dispatcher(
            self.registry, self.bus, settings["OCPP_CALL_TIMEOUT"], self.journal.tally.command
        )
        self.central_systems = {"ocpp1.6": CentralSystem(v16)}
        self.registry.on_change = self._presence_changed
        self.vigil = Vigil(self.journal, self.registry)
        self.turns = Turns()
        self._listening = False
        self._lock = threading.Lock()

    def listen(self) -> None:
        """Take part in the bus. A web process does it when it starts; ``create_app`` alone starts nothing."""
        if self.bus is None or self._listening:
            return
        with self._lock:
            if self._listening:
                return
            self._listening = True
        self.bus.on_command = self.dispatcher.serve
        self.bus.on_broadcast = self._heard
        self.bus.on_gap = self._missed
        self.bus.present = self.registry.all
        self.bus.details = self._details
        self.bus.start()
        self.tally.start()

    def close(self) -> None:
        """The process ends: send the chargers away and finish what waits. Safe to call twice."""
        self.registry.close_all()
        self.vigil.end()
        self.journal.stop(DRAIN_S)
        self.tally.close()
        if self.bus is not None:
            self.bus.close()
        self.registry.hang_up()

    def _details(self, charger_id: str) -> str | None:
        connection = self.registry.find(charger_id)
        return dispatch.described(connection) if connection is not None else None

    def _presence_changed(self, charger_id: str) -> None:
        self.vigil.start()
        self.live.touch({charger_id})
        if self.bus is not None:
            self.bus.changed(charger_id)

    def _committed(self, news: News) -> None:
        self.live.touch(news.changed)
        if news.exhausted:
            self.prepaid.stop(news.exhausted)

    def _heard(self, topic: str, message: dict[str, Any]) -> None:
        if topic == ARRIVED:
            for charger_id, details in message["chargers"].items():
                self._arrived_elsewhere(charger_id, details)
        elif topic == live.TOPIC:
            self.live.heard(message)
        elif topic == prepaid.TOPIC:
            self.prepaid.heard(message)

    def _missed(self) -> None:
        """What other processes told did not reach us."""
        assert self.bus is not None
        self.live.missed()
        with suppress(Away):
            for held in self.bus.elsewhere().values():
                for charger_id, details in held.items():
                    self._arrived_elsewhere(charger_id, details)

    def _arrived_elsewhere(self, charger_id: str, details: str) -> None:
        """Another process holds this charger now; an older connection of it here is of no use any more."""
        connection = self.registry.find(charger_id)
        if connection is not None and connection.since < dispatch.presence_of(details).since:
            self.registry.retire(connection)


def init_app(app: Flask) -> None:
    """Give the application its engine. Where no server calls ``listen``, the first request does."""
    engine = app.extensions["ocpp"] = Engine(app)
    app.before_request(engine.listen)
    app.wsgi_app = Gate(app.wsgi_app, engine.turns, lambda: engine.registry.closing)  # type: ignore[method-assign]
