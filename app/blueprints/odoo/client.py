"""Ask an Odoo server who it is, and whether it accepts a password."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat
from xmlrpc.client import Fault, Unmarshaller, dumps

from app.blueprints.odoo.address import Address
from app.blueprints.odoo.connection import LONGEST_ANSWER, Answer, Deadline, post
from app.blueprints.odoo.errors import OK, WRONG_PASSWORD, Trouble

log = logging.getLogger(__name__)

# Seconds for the whole of a check, whatever the server does.
LIMIT_S = 10.0
MOST_MOVES = 3
MOVED = (301, 302, 303, 307, 308)
# Odoo's fault codes (odoo/addons/base/controllers/rpc.py): 1 is any error, 3 is AccessDenied.
ACCESS_DENIED = 3
# PostgreSQL's words for a database that is not there, in the languages of servers that we met.
NO_DATABASE = re.compile(r"does not exist|no existe|n[’']existe pas|não existe|existiert nicht")


@dataclass(frozen=True)
class Login:
    """Where to log in, as whom."""

    url: str
    database: str
    username: str
    # None when it cannot be read any more.
    password: str | None


@dataclass(frozen=True)
class Report:
    """What came of a check; ``outcome`` is one of ``errors.SENTENCES``."""

    outcome: str
    fact: str = ""
    # As the server calls it; empty when it did not come to that.
    version: str = ""
    duration_ms: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether the server answers and accepts the password."""
        return self.outcome == OK


def check(login: Login, limit_s: float = LIMIT_S) -> Report:
    """Log in at a server. Whatever it does, the answer is a report, in ``limit_s`` seconds."""
    began = time.monotonic()
    server = None
    try:
        if login.password is None:
            raise Trouble("unreadable_password")
        server = Server(login, limit_s)
        server.ask_version()
        server.authenticate()
        outcome, fact = OK, ""
    except Trouble as trouble:
        outcome, fact = trouble.outcome, _without(trouble.fact, login.password)
    except Exception:  # a bug of ours must not keep the other servers from being checked
        log.exception("the check of %s failed", login.url)
        outcome, fact = "bug", ""
    duration_ms = round((time.monotonic() - began) * 1000)
    return Report(outcome, fact, server.version if server else "", duration_ms)


class Server:
    """A conversation with one server, at its ``/xmlrpc/2/common``. Its methods raise ``Trouble``."""

    def __init__(self, login: Login, limit_s: float) -> None:
        self.version = ""
        self._login = login
        self._address = Address.of_server(login.url).common()
        self._deadline = Deadline(limit_s)

    def ask_version(self) -> None:
        """Learn the version, and where the server sends us on to, before a password leaves."""
        try:
            told = self._call("version")
        except Fault as fault:
            raise Trouble("fault", _last_line(fault)) from fault
        version = told.get("server_version") if isinstance(told, dict) else None
        if not isinstance(version, str) or not version:
            raise Trouble("nonsense")
        self.version = "".join(letter for letter in version if letter.isprintable())[:50]

    def authenticate(self) -> None:
        """Log in."""
        login = self._login
        try:
            uid = self._call("authenticate", login.database, login.username, login.password, {})
        except Fault as fault:
            raise self._refusal(fault) from fault
        if uid in (False, None):
            raise Trouble(WRONG_PASSWORD)
        if not isinstance(uid, int) or isinstance(uid, bool) or uid < 1:
            raise Trouble("nonsense")

    def _refusal(self, fault: Fault) -> Trouble:
        if fault.faultCode == ACCESS_DENIED:
            return Trouble(WRONG_PASSWORD)
        database = re.compile(rf"[\"'«»„“]\s?{re.escape(self._login.database)}\s?[\"'«»”“]")
        for line in str(fault.faultString).splitlines():
            if database.search(line) and NO_DATABASE.search(line):
                return Trouble("wrong_database", self._login.database)
        return Trouble("fault", _last_line(fault))

    def _call(self, method: str, *arguments: Any) -> Any:
        question = dumps(arguments, method).encode()
        for _ in range(MOST_MOVES + 1):
            answer = post(self._address, question, self._deadline)
            if answer.status not in MOVED or not answer.location:
                return _understood(answer)
            self._address = self._address.moved(answer.location)
        raise Trouble("moved_in_circles")


def _understood(answer: Answer) -> Any:
    """The value that a server answered. Raises ``Fault`` or ``Trouble``."""
    said = f"{answer.status} {answer.reason}".strip()
    if answer.status == 404:
        raise Trouble("not_found")
    if answer.status >= 500:
        raise Trouble("server_error", said)
    if answer.status != 200:
        raise Trouble("status", said)
    if answer.content_type == "text/html" or re.match(rb"\s*<(!doctype )?html", answer.body, re.IGNORECASE):
        raise Trouble("html")
    if len(answer.body) > LONGEST_ANSWER:
        raise Trouble("too_large")
    try:
        return parsed(answer.body)
    except Fault:
        raise
    except Exception as nonsense:  # the parser's, or whatever a malicious document makes of the unmarshaller
        raise Trouble("nonsense") from nonsense


def parsed(document: bytes) -> Any:
    """The one value of an XML-RPC answer. Raises ``Fault``, or anything when it is none.

    An answer has no DTD: without one, there are no entities that could grow or point to files.
    """
    unmarshaller = Unmarshaller()
    unmarshaller.xml("", None)  # expat decodes
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_dtd
    parser.StartElementHandler = unmarshaller.start
    parser.EndElementHandler = unmarshaller.end
    parser.CharacterDataHandler = unmarshaller.data
    parser.Parse(document, True)
    (value,) = unmarshaller.close()
    return value


def _refuse_dtd(*_told: Any) -> None:
    raise ValueError("an XML-RPC answer has no DTD")


def _last_line(fault: Fault) -> str:
    """What is particular to a fault: Odoo sends a whole traceback."""
    lines = str(fault.faultString).strip().splitlines()
    return lines[-1] if lines else str(fault.faultCode)


def _without(fact: str, password: str | None) -> str:
    """A fact that is safe to keep: a server may repeat what it was sent."""
    return fact.replace(password, "…") if password else fact
