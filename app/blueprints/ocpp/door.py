"""Who may come in: everything that is decided about a charge point before its WebSocket is accepted."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from flask import current_app, g, request
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response

from app import logs
from app.blueprints.ocpp import wire
from app.blueprints.ocpp.engine import Engine
from app.blueprints.ocpp.registry import Full
from app.blueprints.ocpp.services import admission, keys
from app.blueprints.ocpp.services.admission import Admission
from app.blueprints.ocpp.terms import Needs
from app.limits import within

log = logging.getLogger(__name__)

SUBPROTOCOL = wire.V16.subprotocol
MAX_ID_LENGTH = 100
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Wrong keys from one address: for one charger, and for all that stand behind it.
FAILED_KEYS = RateLimitItemPerMinute(30)
FAILED_KEYS_OF_ALL = RateLimitItemPerMinute(600)
# An impostor tries again and again; staff need to read of it once in a while.
IMPOSTOR_NOTES = RateLimitItemPerMinute(1)


@dataclass(frozen=True)
class Caller:
    """A charge point that may come in."""

    charger_id: str
    charger: Admission
    address: str
    path: str


def check_upgrade() -> None:
    """A malformed upgrade is refused before the handshake (RFC 6455, 4.2.1)."""
    if request.url_rule is None or not request.url_rule.websocket:
        return
    headers = request.headers
    if request.method != "GET":
        refuse(405, "a WebSocket handshake is a GET", Allow="GET")
    if "Host" not in headers or "upgrade" not in headers.get("Connection", "").lower():
        refuse(400, "the header fields Host and Connection: Upgrade are required")
    if headers.get("Sec-WebSocket-Version") != "13":
        refuse(426, "Sec-WebSocket-Version must be 13", Sec_WebSocket_Version="13")
    if len(_decoded(headers.get("Sec-WebSocket-Key", ""))) != 16:
        refuse(400, "Sec-WebSocket-Key is missing or malformed")
    # A compressed connection costs 300 KB: nobody is offered one.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def admit(engine: Engine) -> None:
    """Let the charge point in as ``g.caller_at_the_door``, or answer why not.

    That is None where none of the offered subprotocols is ours: it is told on the socket (OCPP-J 1.6, 3.2).
    """
    charger_id, address = id_of(request.environ), request.remote_addr or ""
    logs.active.charger = charger_id
    if engine.registry.closing:
        refuse(503, "the central system restarts")
    _check_origin()
    g.caller_at_the_door = None
    if SUBPROTOCOL not in offered():
        if current_app.config["OCPP_REQUIRE_SUBPROTOCOL"]:
            refuse(400, f"the subprotocol {SUBPROTOCOL} is required")
        if offered():
            log.warning("charger %s from %s offers only %s", charger_id, address, ", ".join(offered())[:200])
            return
    _check_room(engine, charger_id, address)
    charger = _known(engine, charger_id, address)
    _check_key(charger, charger_id, address)
    _check_impostor(engine, charger, charger_id, address)
    _arrived(engine, charger, address)
    _check_room(engine, charger_id, address)  # others came in while the database was asked
    g.caller_at_the_door = Caller(charger_id, charger, address, request.path)


def refuse(status: int, sentence: str, **headers: str) -> NoReturn:
    """Answer in plain text: it is read in a charger's log, and sent thousands of times after a power cut."""
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    abort(Response(sentence + "\n", status, fields, mimetype="text/plain"))


def offered() -> list[str]:
    """The subprotocols that the charge point speaks."""
    text = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in text.split(",") if name.strip()]


def id_of(environ: dict[str, str]) -> str:
    """The last segment of the path, percent-decoded.

    400 when it is empty, too long or a step (``..``), or when anything in the path is a control character.
    """
    path = _raw_path(environ)
    try:
        charger_id = unquote_to_bytes(path.rstrip(b"/").rpartition(b"/")[2]).decode()
    except UnicodeDecodeError:
        refuse(400, "the charger id is not UTF-8")
    if not 0 < len(charger_id) <= MAX_ID_LENGTH or charger_id.strip() in ("", ".", ".."):
        refuse(400, f"the path must end in a charger id of 1 to {MAX_ID_LENGTH} characters")
    if CONTROL.search(unquote_to_bytes(path).decode(errors="replace")):
        refuse(400, "the path has control characters")
    return charger_id


def _raw_path(environ: dict[str, str]) -> bytes:
    """The path before anybody decoded it: ``%2F`` and ``%23`` belong to an id."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    path = raw.partition("?")[0]
    if not path.startswith("/"):  # http://host/path, as to a proxy
        path = path.partition("://")[2].partition("/")[2]
    return path.encode("latin-1", "replace")


def _decoded(text: str) -> bytes:
    """Base64, strictly; empty where it is none."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        return b""


def _check_origin() -> None:
    """Chargers send no Origin; a browser on a foreign page does."""
    origin = request.headers.get("Origin", "").lower()
    if origin in ("", "file://"):  # the latter is an Arduino library's; no page on the network can say it
        return
    allowed = [name.strip().lower() for name in current_app.config["OCPP_ALLOWED_ORIGINS"].split(",")]
    host = request.host.lower()
    if origin.partition("://")[2] not in (host, re.sub(r":\d+$", "", host)) and origin not in allowed:
        refuse(403, "this origin may not open charger sockets")


def _check_room(engine: Engine, charger_id: str, address: str) -> None:
    try:
        engine.registry.check_room(address, charger_id)
    except Full:
        refuse(503, "no more sockets: try again later")


def _known(engine: Engine, charger_id: str, address: str) -> Admission:
    needs = Needs(knocking=charger_id)
    charger = engine.journal.perform(lambda work: admission.find(work, charger_id), needs)
    if charger is None:
        charger = _registered(engine, charger_id, address)
    engine.turns.go_on()  # the batch may have found many
    if charger.blocked:
        log.warning("blocked charger %s called from %s", charger_id, address)
        refuse(403, "this charger is blocked")
    return charger


def _registered(engine: Engine, charger_id: str, address: str) -> Admission:
    settings = current_app.config
    if not settings["OCPP_AUTO_REGISTER"]:
        refuse(404, "nobody knows this charger")
    if settings["OCPP_REQUIRE_KEY"]:
        _unauthorized()
    if not within(RateLimitItemPerHour(settings["OCPP_NEW_CHARGERS_PER_HOUR"]), "new-chargers", address):
        log.warning("too many new charger ids from %s", address)
        refuse(429, "too many new charger ids from this address")
    place = _place(address)
    return engine.journal.perform(lambda work: admission.register(work, charger_id, place))


def _arrived(engine: Engine, charger: Admission, address: str) -> None:
    """Most return to where they were: then nothing is written, and nobody waits for a commit."""
    place = _place(address)
    if place != charger.place:
        engine.journal.perform(lambda work: admission.arrived(work, charger.id, place))
        engine.turns.go_on()


def _place(address: str) -> tuple[str, str, str]:
    return admission.place(request.path, address, SUBPROTOCOL if SUBPROTOCOL in offered() else "")


def _check_key(charger: Admission, charger_id: str, address: str) -> None:
    """Basic auth (security whitepaper, profile 1): user name = charger id, password = key."""
    if not charger.auth_key_hash:
        if current_app.config["OCPP_REQUIRE_KEY"]:
            _unauthorized()
        return
    one, everyone = ("charger-key", address, charger_id), ("charger-keys", address)
    if not (within(FAILED_KEYS, *one, cost=0) and within(FAILED_KEYS_OF_ALL, *everyone, cost=0)):
        refuse(429, "too many wrong keys from this address")
    key = _key(charger_id)
    # 1.6 sets a key in hexadecimal (AuthorizationKey) and the charge point sends its bytes: both are the key.
    if not any(keys.matches(form, charger.auth_key_hash) for form in (key, *_hexadecimal(key))):
        within(FAILED_KEYS, *one)
        within(FAILED_KEYS_OF_ALL, *everyone)
        log.warning("wrong key for charger %s from %s", charger_id, address)
        _unauthorized()


def _key(charger_id: str) -> bytes:
    """The password sent for this charger. It may hold any bytes, also colons, and so may the id."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    user, sent = charger_id.encode() + b":", _decoded(text)
    return sent.removeprefix(user) if kind.lower() == "basic" and sent.startswith(user) else b""


def _hexadecimal(key: bytes) -> tuple[bytes, bytes]:
    return key.hex().encode(), key.hex().upper().encode()


def _unauthorized() -> NoReturn:
    refuse(401, "this charger needs its key", WWW_Authenticate='Basic realm="charge points"')


def _check_impostor(engine: Engine, charger: Admission, charger_id: str, address: str) -> None:
    """A keyless second comer from elsewhere, while the first still answers, is not the charger."""
    if charger.auth_key_hash:
        return
    present = engine.dispatcher.address_of(charger_id)
    if present is None or present == address or not engine.dispatcher.answers(charger_id):
        return
    log.warning("charger %s is connected from %s; refused one from %s", charger_id, present, address)
    if within(IMPOSTOR_NOTES, "impostors", address, charger_id):
        engine.journal.perform(
            lambda work: admission.impostor(work, charger.id, charger_id, address=address, present=present)
        )
    refuse(403, "this charger is connected from another address")
