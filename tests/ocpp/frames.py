"""WebSocket frames (RFC 6455, 5.2) as bytes, for tests; they may be as wrong as a test needs."""

from __future__ import annotations

import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(
    payload: str | bytes = b"", opcode: int = TEXT, *, fin: bool = True, mask: bool = True, rsv: int = 0
) -> bytes:
    """One frame of a client."""
    data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    length, masked = len(data), 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if length < 126:
        head += bytes([masked | length])
    elif length < 65_536:
        head += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", length)
    return head + (_masked(data) if mask else data)


def first(received: bytes) -> tuple[int, bytes, bytes] | None:
    """(opcode, payload, what follows) of a server's first frame; None while it is not whole."""
    if len(received) < 2:
        return None
    length, start = received[1] & 0x7F, 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(received) < 2 + size:
            return None
        length, start = int.from_bytes(received[2 : 2 + size], "big"), 2 + size
    if len(received) < start + length:
        return None
    assert not received[1] & 0x80, "a server's frames are not masked"
    assert received[0] & 0x80, "the server sends whole messages"
    assert not received[0] & 0x70, "no extension was agreed on"
    return received[0] & 0x0F, received[start : start + length], received[start + length :]


def _masked(data: bytes) -> bytes:
    key = os.urandom(4)
    pad = (key * (len(data) // 4 + 1))[: len(data)]
    return key + (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")
