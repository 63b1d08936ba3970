"""A driver's phone: it logs in on a running server and uses a charger's landing page without JavaScript."""

from __future__ import annotations

import html
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

from app.blueprints.accounts.services import passwords
from tests.ocpp.staff import read, write
from tests.servers import RunningServer

PASSWORD = "correct horse"


class Phone:
    """The browser of the driver who has ``account``, or who has that name and ``PASSWORD``."""

    def __init__(self, server: RunningServer, account: int | str) -> None:
        self.server = server
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
        self._token = ""
        username = account if isinstance(account, str) else give_password(server, account)
        self.get("/login/")
        self.submit("/login/", username=username, password=PASSWORD)

    def get(self, path: str) -> str:
        """A page; its form's token is kept for the next order."""
        return self._read(urllib.request.Request(self.server.url + path))

    def submit(self, path: str, **fields: object) -> str:
        """Send a form; what the page says that the answer leads to."""
        data = urllib.parse.urlencode({"csrf_token": self._token, **fields}).encode()
        return self._read(urllib.request.Request(self.server.url + path, data))

    def _read(self, request: urllib.request.Request) -> str:
        try:
            with self._opener.open(request, timeout=30) as response:
                text = response.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        if found := re.search(r'name="csrf_token"[^>]* value="([^"]+)"', text):
            self._token = found[1]
        return said(text)


def give_password(server: RunningServer, account: int) -> str:
    """Let the owner of an account log in; their name."""
    owner = "(SELECT user_id FROM account WHERE id = ?)"
    hashed = passwords.hasher.hash(PASSWORD)
    write(server, f"UPDATE user SET password = ? WHERE id = {owner}", hashed, account)
    return str(read(server, f"SELECT username FROM user WHERE id = {owner}", account)[0]["username"])


def said(text: str) -> str:
    """What a page says, without markup."""
    body = re.sub(r"<(script|style|svg|nav).*?</\1>", " ", text, flags=re.S)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))
