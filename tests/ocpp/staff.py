"""What staff do to a running server, for tests: JSON addresses with a token, rows of its database."""

from __future__ import annotations

import hashlib
import http.cookiejar
import json
import re
import secrets
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from app.blueprints.ocpp.services import keys
from tests.ocpp.charge_point import ChargePoint, Refused, new_id
from tests.servers import DATABASE, RunningServer, flask

PASSWORD = "correct-horse-battery"


def make_token(server: RunningServer) -> str:
    """Create a staff user with a token on a server."""
    plain, now = secrets.token_urlsafe(32), "2026-01-01 00:00:00.000000"
    name = f"token-owner-{plain[:8]}"
    write(
        server,
        """INSERT INTO user (username, password, email, phone_number, has_charger, is_staff, is_superuser,
           language, is_active, session_key, added_on) VALUES (?, '', '', '', 0, 1, 0, '', 1, '', ?)""",
        name,
        now,
    )
    write(
        server,
        """INSERT INTO api_token (user_id, name, token_hash, created_on)
           SELECT id, '', ?, ? FROM user WHERE username = ?""",
        hashlib.sha256(plain.encode()).hexdigest(),
        now,
        name,
    )
    return plain


def read(server: RunningServer, sql: str, *values: Any) -> list[dict[str, Any]]:
    """Rows of a server's SQLite database, as dicts."""
    with _database(server, "ro") as connection:
        return [dict(row) for row in connection.execute(sql, values)]


def write(server: RunningServer, sql: str, *values: Any) -> None:
    """Change a server's database, as staff would in the admin."""
    with _database(server, "rw") as connection, connection:
        connection.execute(sql, values)


class _database:
    def __init__(self, server: RunningServer, mode: str) -> None:
        file = server.instance / DATABASE
        self._connection = sqlite3.connect(f"file:{file}?mode={mode}", uri=True, timeout=10)
        self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Api:
    """Calls JSON addresses with a token."""

    def __init__(self, server: RunningServer, token: str = "") -> None:
        self.server, self.token = server, token

    def get(self, path: str) -> tuple[int, Any]:
        """(status, parsed body)."""
        return self._ask(path, None)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """(status, parsed body)."""
        return self._ask(path, json.dumps(body).encode())

    def action(self, charger_id: str, action: str, **parameters: Any) -> tuple[int, Any]:
        """Order a command and wait for the charger's answer."""
        return self.post(f"/ocpp/chargers/{charger_id}/action/", {"action": action, **parameters})

    def _ask(self, path: str, body: bytes | None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.server.url + path, body, headers if self.token else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            text = error.read()
            return error.code, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()


def known(server: RunningServer, key: str | bytes = "", **columns: Any) -> str:
    """Add a charger, with a key where one is given; return its id."""
    row = {
        "charger_id": new_id(), "config": "{}", "boot": "{}", "registration_status": "Accepted", "blocked": 0,
        "require_rfid": 0, "created_at": "2026-01-01 00:00:00.000000",
        "auth_key_hash": keys.hashed(key) if key else "",
        **dict.fromkeys(
            ("name", "validation", "vendor", "model", "serial_number", "firmware_version", "last_path",
             "last_address", "subprotocol", "firmware_status", "diagnostics_status"), ""),
        **columns,
    }  # fmt: skip
    write(
        server, f"INSERT INTO charger ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values()
    )
    return str(row["charger_id"])


def answer(server: RunningServer, path: str, **options: Any) -> int:
    """The status of a handshake; an accepted socket is hung up on."""
    try:
        ChargePoint(server.port, path, **options).hang_up()
    except Refused as refused:
        return refused.status
    return 101


def eventually(check: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Ask until the answer is true; return it. Fails after a while."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
    return found


class Staff:
    """A browser of staff, logged in to a running server."""

    def __init__(self, server: RunningServer) -> None:
        self.url = server.url
        name = new_id("staff")
        flask("users", "create", name, "--staff", "--password", PASSWORD, env=server.env)
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.post("/login/", "/login/", username=name, password=PASSWORD)

    def get(self, path: str) -> str:
        with self._opener.open(self.url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def post(self, page: str, path: str, **fields: Any) -> str:
        """Submit the form of a page."""
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(page))
        assert token is not None
        data = urllib.parse.urlencode({**fields, "csrf_token": token[1]}, doseq=True).encode()
        with self._opener.open(self.url + path, data, timeout=30) as answer:
            return str(answer.read().decode())
