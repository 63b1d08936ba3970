"""A member of staff at work on a running server: logged in, sending and confirming files of tags."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable
from typing import Any

from tests.ocpp.charge_point import new_id
from tests.ocpp.staff import eventually
from tests.servers import RunningServer, flask

PASSWORD = "of the desk, 1"
SCREEN = "/admin/tag-imports"


class Desk:
    """A browser without JavaScript."""

    def __init__(self, server: RunningServer) -> None:
        self.url = server.url
        self.name = new_id("staff")
        flask("users", "create", self.name, "--staff", "--password", PASSWORD, env=server.env)
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.post("/login/", "/login/", username=self.name, password=PASSWORD)

    def get(self, path: str) -> bytes:
        """What is at an address."""
        with self._opener.open(self.url + path, timeout=60) as answer:
            return bytes(answer.read())

    def post(self, page: str, path: str, **fields: Any) -> str:
        """Submit a form of a page; return the page that comes after it."""
        return self._send(path, urllib.parse.urlencode(fields | self._token(page)).encode(), "")

    def send_tags(self, name: str, content: bytes) -> int:
        """Send a file; return the number of the import."""
        fields, boundary = self._token(f"{SCREEN}/new/"), uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n'.encode()
            + fields["csrf_token"].encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
            + content,
            f"--{boundary}--\r\n".encode(),
        ]
        page = self._send(f"{SCREEN}/new/", b"\r\n".join(parts), f"multipart/form-data; boundary={boundary}")
        found = re.search(r'name="id" value="(\d+)"', page)
        assert found is not None, page
        return int(found[1])

    def state(self, import_id: int) -> str:
        """The state of an import."""
        return str(self.progress(import_id)["state"])

    def progress(self, import_id: int) -> dict[str, Any]:
        """What the page asks for again and again."""
        found: dict[str, Any] = json.loads(self.get(f"{SCREEN}/progress/?id={import_id}"))
        return found

    def wait_for(self, import_id: int, *states: str, seconds: float = 60) -> str:
        """Wait until the import has one of these states; return it."""
        return str(eventually(lambda: state if (state := self.state(import_id)) in states else "", seconds))

    def decide(self, import_id: int, what: str) -> str:
        """Press a button of an import's page: ``confirm``, ``check-again`` or ``discard``."""
        page = f"{SCREEN}/details/?id={import_id}"
        form = re.search(rf'action="{SCREEN}/{what}/">(.*?)</form>', self.get(page).decode(), re.S)
        assert form is not None, f"there is no such button: {what}"
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[1]))
        return self.post(page, f"{SCREEN}/{what}/", **fields)

    def _send(self, path: str, body: bytes, content_type: str) -> str:
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(self.url + path, body, headers)
        with self._opener.open(request, timeout=60) as answer:
            return str(answer.read().decode())

    def _token(self, page: str) -> dict[str, str]:
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.get(page).decode())
        assert found is not None
        return {"csrf_token": found[1]}


def csv_of(tags: Iterable[tuple[str, str, bool]]) -> bytes:
    """A file of tags."""
    return ("rfid,user,allowed\n" + "".join(f"{r},{u},{a}\n" for r, u, a in tags)).encode()
