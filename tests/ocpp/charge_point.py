"""A charge point for tests: a blocking WebSocket client on a plain socket that can also misbehave.

    with ChargePoint(server.port, "/ocpp/CP-1") as charger:
        message = charger.ask("Heartbeat")           # [3, id, {…}]
        call = charger.next_call("Reset")            # [2, id, "Reset", {…}] of the central system
        charger.answer(call, {"status": "Accepted"})

The handshake is written by hand, so that any path, header, subprotocol, origin, key and source address can be
sent. A refusal raises ``Refused`` with its status. Frames are sent as given, also broken ones.
"""

from __future__ import annotations

import itertools
import json
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.ocpp import frames, handshake
from tests.ocpp.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.ocpp.handshake import Closed, Refused

OCPP16 = ("ocpp1.6",)

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "ChargePoint",
    "Closed",
    "Refused",
    "new_id",
]

_numbers = itertools.count(1)
Reply = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]


class ChargePoint:
    """One open socket. ``headers`` holds what the server answered to the handshake, by lower-case name."""

    def __init__(
        self,
        port: int,
        path: str = "/CP",
        *,
        subprotocols: Sequence[str] | None = OCPP16,
        host: str = "",
        origin: str = "",
        auth: tuple[str | bytes, str | bytes] | None = None,
        headers: Mapping[str, str | None] | None = None,
        source: str = "127.0.0.1",
        method: str = "GET",
        timeout: float = 10.0,
        receive_buffer: int = 0,
    ) -> None:
        self.path, self.timeout = path, timeout
        self.calls: deque[list[Any]] = deque()
        self._lock = threading.Lock()
        self.socket = handshake.opened(port, source, timeout, receive_buffer)
        fields = handshake.fields(host or f"127.0.0.1:{port}", subprotocols, origin, auth) | dict(
            headers or {}
        )
        self.headers, self._bytes = handshake.shake_hands(self.socket, method, path, fields)

    # Frames out

    def send(self, message: Any) -> None:
        """Send a message: text or bytes as they are (a text frame), anything else as JSON."""
        if not isinstance(message, str | bytes):
            message = json.dumps(message)
        self.send_frame(message)

    def send_frame(
        self,
        payload: str | bytes = b"",
        opcode: int = TEXT,
        *,
        fin: bool = True,
        mask: bool = True,
        rsv: int = 0,
    ) -> None:
        """Send one frame, as well or as badly formed as asked."""
        self.send_bytes(frames.frame(payload, opcode, fin=fin, mask=mask, rsv=rsv))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes past every rule."""
        with self._lock:
            self.socket.sendall(data)

    def call(self, action: str, payload: Any = None, id: Any = None) -> Any:
        """Send a CALL and return its id, without waiting."""
        id = str(uuid.uuid4()) if id is None else id
        self.send([2, id, action, {} if payload is None else payload])
        return id

    def ask(self, action: str, payload: Any = None, id: Any = None) -> list[Any]:
        """Send a CALL and return its answer, the whole message: ``[3, id, {…}]`` or ``[4, id, code, …]``."""
        return self.answer_to(self.call(action, payload, id))

    def answer(self, call: list[Any], payload: Mapping[str, Any]) -> None:
        """Answer a CALL of the central system."""
        self.send([3, call[1], dict(payload)])

    def refuse(
        self, call: list[Any], code: str = "InternalError", description: str = "", details: Any = None
    ) -> None:
        """Answer a CALL of the central system with a CALLERROR."""
        self.send([4, call[1], code, description, details or {}])

    # Frames in

    def receive(self, timeout: float | None = None) -> str:
        """The text of the next message, as sent; pings are answered.

        Raises ``Closed``, or ``TimeoutError``.
        """
        with self._patience(timeout):
            while True:
                opcode, payload = self.receive_frame()
                if opcode == PING:
                    self.send_frame(payload, PONG)
                elif opcode == CLOSE:
                    raise self._ended(payload)
                elif opcode == TEXT:
                    return payload.decode()

    def receive_frame(self) -> tuple[int, bytes]:
        """(opcode, payload) of the next frame of any kind. After a ``TimeoutError`` nothing is lost."""
        while (found := frames.first(self._bytes)) is None:
            self._read()
        opcode, payload, self._bytes = found
        return opcode, payload

    def receive_message(self, timeout: float | None = None) -> list[Any]:
        """The next message, parsed."""
        message: list[Any] = json.loads(self.receive(timeout))
        return message

    def answer_to(self, id: Any, timeout: float | None = None) -> list[Any]:
        """The answer to a CALL; the central system's own CALLs that come in between wait in ``calls``."""
        while True:
            message = self.receive_message(timeout)
            if message[0] == 2:
                self.calls.append(message)
            elif message[1] == id:
                return message

    def next_call(self, action: str = "", timeout: float | None = None) -> list[Any]:
        """The central system's next CALL (of that action, if given: others are passed over)."""
        while True:
            message = self.calls.popleft() if self.calls else self.receive_message(timeout)
            if message[0] == 2 and action in ("", message[2]):
                return message

    def is_silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing but pings comes for so long."""
        try:
            text = self.receive(seconds)
        except TimeoutError:
            return True
        self.calls.append(json.loads(text))
        return False

    def closed(self, timeout: float | None = None) -> Closed:
        """Wait for the end, whatever comes before it, and return how it ended."""
        try:
            while True:
                self.receive(timeout)
        except Closed as end:
            return end

    @contextmanager
    def serving(self, replies: Mapping[str, Reply] | None = None) -> Iterator[list[list[Any]]]:
        """Answer the central system's CALLs (and its pings) in a thread; yields the list of CALLs received.

        ``replies``: action → payload, or a function of the CALL's payload. Do not read while it runs.
        """
        received: list[list[Any]] = []
        stop = threading.Event()
        thread = threading.Thread(target=self._serve, args=(replies or {}, received, stop), daemon=True)
        thread.start()
        try:
            yield received
        finally:
            stop.set()
            thread.join()

    def _serve(self, replies: Mapping[str, Reply], received: list[list[Any]], stop: threading.Event) -> None:
        with suppress(Closed):
            while not stop.is_set():
                with suppress(TimeoutError):
                    message = self.calls.popleft() if self.calls else self.receive_message(0.05)
                    received.append(message)
                    if message[0] == 2 and message[2] in replies:
                        reply = replies[message[2]]
                        self.answer(message, reply(message[3]) if callable(reply) else reply)

    # The end

    def close(self, code: int = 1000) -> Closed:
        """Say goodbye, wait for the other side's, hang up."""
        with suppress(OSError):
            self.send_frame(struct.pack("!H", code), CLOSE)
        end = Closed(1006)
        with suppress(TimeoutError):
            end = self.closed(2.0)
        self.socket.close()
        return end

    def hang_up(self) -> None:
        """Drop the connection without a word."""
        self.socket.close()

    def __enter__(self) -> ChargePoint:
        return self

    def __exit__(self, *_: object) -> None:
        if self.socket.fileno() >= 0:
            self.close()

    def _ended(self, payload: bytes) -> Closed:
        with suppress(OSError):
            self.send_frame(payload[:2], CLOSE)
        code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
        return Closed(code, payload[2:].decode())

    def _read(self) -> None:
        try:
            chunk = self.socket.recv(65_536)
        except TimeoutError:
            raise
        except OSError:
            chunk = b""
        if not chunk:
            raise Closed(1006)
        self._bytes += chunk

    @contextmanager
    def _patience(self, timeout: float | None) -> Iterator[None]:
        self.socket.settimeout(self.timeout if timeout is None else max(timeout, 0.001))
        try:
            yield
        finally:
            if self.socket.fileno() >= 0:
                self.socket.settimeout(self.timeout)


def new_id(prefix: str = "CP") -> str:
    """An id that no other test uses."""
    return f"{prefix}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"
