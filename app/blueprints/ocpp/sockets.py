"""A charge point's socket: the door first (``door.py``), then a session for as long as it lasts."""

from __future__ import annotations

import logging

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from simple_websocket import Server
from werkzeug.routing import PathConverter
from werkzeug.wrappers import Response
from wsproto.utilities import RemoteProtocolError

from app import access, logs
from app.blueprints.ocpp import door, wire
from app.blueprints.ocpp.door import Caller
from app.blueprints.ocpp.engine import Engine
from app.blueprints.ocpp.exchange import Exchange, OutgoingRecord
from app.blueprints.ocpp.line import MARK, PROTOCOL_ERROR, Line, ReaderThread
from app.blueprints.ocpp.outbox import Outgoing
from app.blueprints.ocpp.registry import Connection
from app.blueprints.ocpp.session import Answered, Incoming, Session
from app.clock import utcnow
from app.db import db
from app.extensions import sock

log = logging.getLogger(__name__)

ENDPOINT = "__flask_sock.charge_point"


class AnyPath(PathConverter):
    """Every path, also an empty one or one with doubled slashes; anything more specific wins."""

    regex = "(?s:.*?)"
    weight = 10_000
    part_isolating = False


def init_app(app: Flask) -> None:
    """One socket rule for the whole application: any path, any host."""
    app.url_map.converters["any_path"] = AnyPath
    app.config.setdefault(
        "SOCK_SERVER_OPTIONS",
        {
            "subprotocols": [wire.V16.subprotocol],
            "max_message_size": app.config["OCPP_MAX_MESSAGE_BYTES"],
            "thread_class": ReaderThread,
        },
    )
    app.before_request(door.check_upgrade)
    app.before_request(admit)


def admit() -> None:
    """Let a charge point in, or answer its handshake with a refusal."""
    logs.active.charger = ""  # the connection may have served another request before
    if request.endpoint != ENDPOINT:
        return
    door.admit(_engine())
    request.environ[MARK] = True
    db.session.remove()  # a database session must not live as long as a socket


@access.allow(access.ANYONE)
def charge_point(ws: Server, path: str) -> None:
    """Serve one charge point until it hangs up."""
    caller: Caller | None = g.caller_at_the_door
    line = Line(ws, current_app.config["OCPP_MAX_MESSAGE_BYTES"])
    try:
        if caller is None:
            line.refuse(PROTOCOL_ERROR, "none of the subprotocols is served here")
        else:
            _serve(_engine(), caller, line)
    finally:
        # flask-sock makes a class for each socket, which the collector alone frees: with as little as can be.
        ws.environ, ws.ws = {}, None


sock.route("/<any_path:path>", strict_slashes=False, merge_slashes=False)(charge_point)


@sock.bp.errorhandler(RemoteProtocolError)
def malformed(error: RemoteProtocolError) -> ResponseReturnValue:
    """The handshake is wrong in a way that only the WebSocket library sees."""
    return Response(f"{error}\n", 400, mimetype="text/plain")


@sock.bp.errorhandler(ConnectionError)
def gone(error: ConnectionError) -> ResponseReturnValue:
    """Whoever called has hung up before the handshake was answered."""
    log.info("a handshake was not waited for: %s", error)
    return Response(status=400)


def _serve(engine: Engine, caller: Caller, line: Line) -> None:
    charger = caller.charger
    strict = (charger.validation or current_app.config["OCPP_VALIDATION"]) == "strict"
    central_system = engine.central_systems[wire.V16.subprotocol]
    journal = engine.journal
    logs.active.charger = caller.charger_id

    def serve(incoming: Incoming, answered: Answered) -> None:
        journal.submit(
            Exchange(
                charger.id, incoming, answered, central_system, journal, outbox.booted, caller.charger_id
            )
        )

    def record(outgoing: Outgoing) -> None:
        journal.tally.command(outgoing.action, outgoing.outcome)
        journal.submit(OutgoingRecord(charger.id, outgoing, caller.charger_id))

    session = Session(
        line, wire.V16, serve, record, strict=strict, registration=charger.registration_status,
        may_send=charger.booted,
    )  # fmt: skip
    # Not the session itself: what holds its holder is freed by the collector alone, which stops everybody.
    outbox = session.outbox
    connection = Connection(caller.charger_id, charger.id, session, line, caller.address, utcnow())
    with engine.registry.connected(connection):
        session.run()
        engine.turns.go_on()  # many may have left together, and what is left to do can wait


def _engine() -> Engine:
    found: Engine = current_app.extensions["ocpp"]
    return found
