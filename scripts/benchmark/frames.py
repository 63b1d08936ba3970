"""The client side of RFC 6455 in as few steps as it allows: a benchmark's generator must not be its limit."""

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

# A key of zeros leaves the payload as it is. The server unmasks all the same: its work is unchanged.
_MASK = bytes(4)
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # what RFC 6455 section 1.3 says follows from that key


class ProtocolError(Exception):
    """The server broke the WebSocket protocol, or refused the handshake."""


def upgrade_request(host: str, path: str) -> bytes:
    """Return a handshake that offers ``ocpp1.6`` and no compression."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def check_upgrade(head: bytes) -> None:
    """Raise ProtocolError, with the status line, unless the server switched to ``ocpp1.6``."""
    status = head.split(b"\r\n", 1)[0].decode(errors="replace")
    if not head.startswith(b"HTTP/1.1 101") or ACCEPT not in head:
        raise ProtocolError(f"handshake refused: {status}")
    if b"ocpp1.6" not in head:
        raise ProtocolError("handshake without the ocpp1.6 subprotocol")


def text_frame(payload: bytes) -> bytes:
    """Return a whole text message as one frame."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b%b" % (0x80 | size, _MASK, payload)
    return b"\x81\xfe%b%b%b" % (size.to_bytes(2, "big"), _MASK, payload)


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a Close, Ping or Pong."""
    return bytes((0x80 | opcode, 0x80 | len(payload))) + _MASK + payload


def lone_text(data: bytes) -> bytes | None:
    """Return the text when ``data`` is exactly one short text frame, which it nearly always is; else None."""
    if len(data) > 1 and data[0] == 0x81:
        size = data[1]
        if size < 126 and len(data) == size + 2:
            return data[2:]
    return None


def split_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Return opcode, payload and the rest, or None while the first frame is incomplete."""
    if len(data) < 2:
        return None
    size, start = _payload_size(data)
    if len(data) < start + size:
        return None
    if not data[0] & 0x80:
        raise ProtocolError("a fragmented message: not expected from a server under test")
    return data[0] & 0x0F, data[start : start + size], data[start + size :]


def _payload_size(data: bytes) -> tuple[int, int]:
    """Return the payload's size and where it starts."""
    size = data[1]
    if size < 126:
        return size, 2
    start = 4 if size == 126 else 10
    return int.from_bytes(data[2:start], "big"), start
