"""Who is calling: id, key, subprotocol, decided before the WebSocket is accepted; then a session."""

from __future__ import annotations

import base64
import binascii
import logging
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from flask import Flask, current_app, g, request
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from simple_websocket import Server
from werkzeug.exceptions import abort
from werkzeug.routing import PathConverter
from werkzeug.wrappers import Response

from app import access
from app.blueprints.ocpp import wire
from app.blueprints.ocpp.engine import Engine
from app.blueprints.ocpp.exchange import Exchange, OutgoingRecord
from app.blueprints.ocpp.line import MARK, PROTOCOL_ERROR, Line, ReaderThread
from app.blueprints.ocpp.registry import Connection, Full
from app.blueprints.ocpp.services import admission, keys
from app.blueprints.ocpp.services.admission import Admission
from app.blueprints.ocpp.session import Answered, Incoming, Outgoing, Session
from app.clock import utcnow
from app.db import db
from app.extensions import limiter, sock

log = logging.getLogger(__name__)

ENDPOINT = "__flask_sock.charge_point"
MAX_ID_LENGTH = 100
# Wrong keys from one address; then all its tries are refused for a while.
FAILED_KEYS = RateLimitItemPerMinute(60)


class AnyPath(PathConverter):
    """Every path, also an empty one or one with doubled slashes; anything more specific wins."""

    regex = ".*?"
    weight = 10_000
    part_isolating = False


@dataclass(frozen=True)
class Caller:
    """A charge point that may come in."""

    charger_id: str
    charger: Admission
    address: str
    path: str


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
    app.before_request(check_upgrade)
    app.before_request(admit)


@access.allow(access.ANYONE)
def charge_point(ws: Server, path: str) -> None:
    """Serve one charge point until it hangs up."""
    caller: Caller = g.caller_at_the_door
    engine = _engine()
    line = Line(ws, current_app.config["OCPP_MAX_MESSAGE_BYTES"])
    if _offered() and ws.subprotocol is None:  # OCPP-J 1.6, 3.2
        line.close(PROTOCOL_ERROR, "none of the subprotocols is served here")
        for _ in line.frames():
            pass
        return
    _serve(engine, caller, line)


sock.route("/<any_path:path>", strict_slashes=False, merge_slashes=False)(charge_point)


def _serve(engine: Engine, caller: Caller, line: Line) -> None:
    charger = caller.charger
    strict = (charger.validation or current_app.config["OCPP_VALIDATION"]) == "strict"
    central_system = engine.central_systems[wire.V16.subprotocol]
    journal = engine.journal

    def serve(incoming: Incoming, answered: Answered) -> None:
        journal.submit(Exchange(charger.id, incoming, answered, central_system, journal, booted))

    def record(outgoing: Outgoing) -> None:
        journal.submit(OutgoingRecord(charger.id, outgoing))

    def booted(registration: str) -> None:
        session.registration = registration
        session.allow_sending()

    session = Session(
        line, wire.V16, serve, record, strict=strict, registration=charger.registration_status,
        may_send=charger.booted,
    )  # fmt: skip
    connection = Connection(caller.charger_id, charger.id, session, line, caller.address, utcnow())
    with engine.registry.connected(connection):
        session.run()


def check_upgrade() -> None:
    """A malformed upgrade is refused before the handshake (RFC 6455, 4.2.1)."""
    if request.url_rule is None or not request.url_rule.websocket:
        return
    headers = request.headers
    if headers.get("Sec-WebSocket-Version") != "13":
        abort(Response("Sec-WebSocket-Version must be 13", 426, {"Sec-WebSocket-Version": "13"}))
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 16:
        abort(400, "Sec-WebSocket-Key is missing or malformed")
    # A compressed connection costs 300 KB: nobody is offered one.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def admit() -> None:
    """Decide whether this charge point may come in; a refusal is an ordinary HTTP answer."""
    if request.endpoint != ENDPOINT:
        return
    engine = _engine()
    charger_id = id_of(request.environ)
    address = request.remote_addr or ""
    if engine.registry.closing:
        abort(503)
    _check_origin()
    if current_app.config["OCPP_REQUIRE_SUBPROTOCOL"] and wire.V16.subprotocol not in _offered():
        abort(400, "the subprotocol ocpp1.6 is required")
    try:
        engine.registry.check_room(address, charger_id)
    except Full:
        abort(503)
    charger = _known(engine, charger_id, address)
    _check_key(charger, charger_id, address)
    _check_impostor(engine, charger, charger_id, address)
    subprotocol = wire.V16.subprotocol if wire.V16.subprotocol in _offered() else ""
    path = request.path
    engine.journal.perform(
        lambda work: admission.arrived(
            work, charger.id, path=path, address=address, subprotocol=subprotocol
        )
    )
    g.caller_at_the_door = Caller(charger_id, charger, address, path)
    request.environ[MARK] = True
    db.session.remove()  # a database session must not live as long as a socket


def id_of(environ: dict[str, str]) -> str:
    """The last segment of the path, percent-decoded. 400 when it is empty, too long or has control characters."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw is None:
        raw = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    path = raw.partition("?")[0]
    if "://" in path:
        path = path.split("://", 1)[1].partition("/")[2]
    try:
        charger_id = unquote_to_bytes(path.rstrip("/").rpartition("/")[2]).decode()
    except UnicodeDecodeError:
        abort(400, "the charger id is not UTF-8")
    if not 0 < len(charger_id) <= MAX_ID_LENGTH or not charger_id.strip():
        abort(400, "the path must end in a charger id of 1 to 100 characters")
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in charger_id):
        abort(400, "the charger id has control characters")
    return charger_id


def _offered() -> list[str]:
    text = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in text.split(",") if name.strip()]


def _check_origin() -> None:
    """Chargers send no Origin; a browser on a foreign page does."""
    origin = request.headers.get("Origin")
    allowed = [name.strip() for name in current_app.config["OCPP_ALLOWED_ORIGINS"].split(",")]
    if origin and origin not in allowed and origin.partition("://")[2].lower() != request.host.lower():
        abort(403, "this origin may not open charger sockets")


def _known(engine: Engine, charger_id: str, address: str) -> Admission:
    charger = engine.journal.perform(lambda work: admission.find(work, charger_id))
    if charger is None:
        charger = _registered(engine, charger_id, address)
    if charger.blocked:
        log.warning("blocked charger %s called from %s", charger_id, address)
        abort(403, "this charger is blocked")
    return charger


def _registered(engine: Engine, charger_id: str, address: str) -> Admission:
    settings = current_app.config
    if not settings["OCPP_AUTO_REGISTER"]:
        abort(404)
    if settings["OCPP_REQUIRE_KEY"]:
        _unauthorized()
    cap = RateLimitItemPerHour(settings["OCPP_NEW_CHARGERS_PER_HOUR"])
    if not limiter.limiter.hit(cap, "new-chargers", address):
        log.warning("too many new charger ids from %s", address)
        abort(429, "too many new charger ids from this address")
    path = request.path
    return engine.journal.perform(
        lambda work: admission.register(work, charger_id, path=path, address=address)
    )


def _check_key(charger: Admission, charger_id: str, address: str) -> None:
    """Basic auth (security whitepaper, profile 1): user name = charger id, password = key."""
    if not charger.auth_key_hash:
        if current_app.config["OCPP_REQUIRE_KEY"]:
            _unauthorized()
        return
    if not limiter.limiter.test(FAILED_KEYS, "charger-keys", address):
        abort(429, "too many wrong keys from this address")
    user, key = _basic_auth()
    if user != charger_id.encode() or not keys.matches(key, charger.auth_key_hash):
        limiter.limiter.hit(FAILED_KEYS, "charger-keys", address)
        log.warning("wrong key for charger %s from %s", charger_id, address)
        _unauthorized()


def _basic_auth() -> tuple[bytes, bytes]:
    """(user, password) as raw bytes: the key may hold any, also a colon; the id may hold colons too."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return b"", b""
    try:
        decoded = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        return b"", b""
    charger_id = id_of(request.environ).encode()
    if decoded.startswith(charger_id + b":"):
        return charger_id, decoded[len(charger_id) + 1 :]
    user, _, password = decoded.partition(b":")
    return user, password


def _unauthorized() -> None:
    abort(Response("this charger needs its key", 401, {"WWW-Authenticate": 'Basic realm="charge points"'}))


def _check_impostor(engine: Engine, charger: Admission, charger_id: str, address: str) -> None:
    """A keyless second comer from elsewhere, while the first still answers, is not the charger."""
    if charger.auth_key_hash:
        return
    present = engine.dispatcher.address_of(charger_id)
    if present is None or present == address or not engine.dispatcher.answers(charger_id):
        return
    log.warning("charger %s is connected from %s; refused a second one from %s", charger_id, present, address)
    engine.journal.perform(
        lambda work: admission.impostor(work, charger.id, charger_id, address=address, present=str(present))
    )
    abort(403, "this charger is connected from another address")


def _engine() -> Engine:
    found: Engine = current_app.extensions["ocpp"]
    return found
