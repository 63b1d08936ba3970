"""The opening handshake (RFC 6455, 4) written by hand, for tests: any path, header and local address."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from collections.abc import Mapping, Sequence

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """The server answered the handshake with something else than 101."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        super().__init__(f"{status} {body[:500]}")
        self.status, self.headers, self.body = status, headers, body


class Closed(Exception):
    """The socket has ended. ``code`` is the close frame's; 1005: it had none, 1006: no close frame came."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


def opened(port: int, source: str, timeout: float, receive_buffer: int = 0) -> socket.socket:
    """A connection to a port of this machine, from one of its addresses."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(timeout)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def fields(
    host: str, subprotocols: Sequence[str] | None, origin: str, auth: tuple[str | bytes, str | bytes] | None
) -> dict[str, str | None]:
    """The header fields of an upgrade; None: left out."""
    return {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": ", ".join(subprotocols) if subprotocols is not None else None,
        "Origin": origin or None,
        "Authorization": basic(*auth) if auth else None,
    }


def basic(user: str | bytes, key: str | bytes) -> str:
    """The value of an Authorization header."""
    raw = b":".join(part.encode() if isinstance(part, str) else part for part in (user, key))
    return "Basic " + base64.b64encode(raw).decode()


def shake_hands(
    connection: socket.socket, method: str, path: str, fields: Mapping[str, str | None]
) -> tuple[dict[str, str], bytes]:
    """(Header fields of the answer by lower-case name, bytes that came after it). Raises ``Refused``."""
    lines = [f"{method} {path} HTTP/1.1"] + [
        f"{name}: {text}" for name, text in fields.items() if text is not None
    ]
    try:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        status, headers, rest = _answer(connection)
        if status != 101:
            raise Refused(status, headers, _body(connection, headers, rest))
        key = (fields["Sec-WebSocket-Key"] or "") + GUID
        accepted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        assert headers["sec-websocket-accept"] == accepted
        return headers, rest
    except BaseException:
        connection.close()
        raise


def _answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        if not chunk:
            raise Closed(1006, f"after {received!r}")
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers, rest


def _body(connection: socket.socket, headers: Mapping[str, str], received: bytes) -> str:
    while len(received) < int(headers.get("content-length", 0)):
        chunk = connection.recv(65_536)
        if not chunk:
            break
        received += chunk
    return received.decode("utf-8", "replace")
