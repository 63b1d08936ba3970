"""The line of one process, put together: journal, registry, bus, dispatcher, live updates."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.central_system import v16
from app.blueprints.ocpp.dispatch import Dispatcher
from app.blueprints.ocpp.exchange import CentralSystem
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.live import Live
from app.blueprints.ocpp.registry import Connection, Registry
from app.blueprints.ocpp.work import Settings
from app.db import db

TAKEN_OVER = "taken_over"


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
            Settings(settings["OCPP_HEARTBEAT_INTERVAL"], settings["OCPP_REQUIRE_RFID"]),
            on_commit=self.live.touch,
        )
        self.registry = Registry(
            settings["OCPP_MAX_CHARGERS"], settings["OCPP_MAX_CHARGERS_PER_ADDRESS"], settings["OCPP_PING_INTERVAL"]
        )
        self.dispatcher = Dispatcher(self.registry, self.bus, settings["OCPP_CALL_TIMEOUT"])
        self.central_systems = {"ocpp1.6": CentralSystem(v16)}
        self.registry.on_change = self._presence_changed
        self._listening = False

    def listen(self) -> None:
        """Take part in the bus; called when the process serves its first request."""
        if self.bus is None or self._listening:
            return
        self._listening = True
        self.bus.on_command = self.dispatcher.serve
        self.bus.on_broadcast = self._heard
        self.bus.presence = lambda: {id: dispatch.described(held) for id, held in self.registry.all().items()}
        self.bus.start()

    def close(self) -> None:
        """The process ends: send the chargers away and finish what was acknowledged or waits."""
        self.registry.close_all()
        self.journal.stop()
        if self.bus is not None:
            self.bus.gone()

    def _presence_changed(self, charger_id: str, connection: Connection | None) -> None:
        self.live.touch({charger_id})
        if self.bus is None:
            return
        if connection is None:
            self.bus.left(charger_id)
            return
        self.bus.arrived(charger_id, dispatch.described(connection))
        self.bus.broadcast(TAKEN_OVER, {"charger_id": charger_id})

    def _heard(self, topic: str, message: dict[str, Any]) -> None:
        if topic == TAKEN_OVER:
            connection = self.registry.find(message["charger_id"])
            if connection is not None:
                connection.line.close(1000, "a newer connection of this charge point took over")
                connection.session.end()
        else:
            self.live.heard(topic, message)


def init_app(app: Flask) -> None:
    """Give the application its engine; it starts with the first request that needs it."""
    engine = app.extensions["ocpp"] = Engine(app)
    app.before_request(engine.listen)
