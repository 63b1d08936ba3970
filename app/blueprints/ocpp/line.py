"""One accepted WebSocket: frames in, frames out, pings; bounded in every direction.

flask-sock accepts and hands over its ``Server``; from then on the reading is ours, on its wsproto connection,
in the greenlet (or thread) that serves the request: one per charger instead of two, and no timer or selector.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from simple_websocket import Server
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

NORMAL, GOING_AWAY, PROTOCOL_ERROR, POLICY, TOO_BIG = 1000, 1001, 1002, 1008, 1009
# A charger that does not read its answers may leave this much unsent.
MAX_UNSENT_BYTES = 4 * 1024 * 1024
SEND_TIMEOUT_S = 30.0
RECEIVE_BYTES = 8_192
MAX_PAUSE_S = 0.1
# How long somebody who was told goodbye may take to hang up.
LINGER_S = 3.0
# The mark on a request whose frames we read ourselves.
MARK = "constellation.line"


class LineClosed(Exception):
    """The socket is gone."""


class ReaderThread(threading.Thread):
    """flask-sock's background reader, which a marked request does without."""

    def start(self) -> None:
        """Start, unless the line reads for itself."""
        server = getattr(getattr(self, "_target", None), "__self__", None)
        if not isinstance(server, Server) or MARK not in server.environ:
            super().start()


class Line:
    """A charge point's socket."""

    __slots__ = (
        "_draining", "_lock", "_max_bytes", "_partial", "_raw", "_server", "_unsent",
        "close_code", "closed_at", "heard_at", "open", "pinged_at",
    )  # fmt: skip

    def __init__(self, server: Server, max_bytes: int) -> None:
        self._server = server
        server.thread = None  # never started
        # gevent's socket wraps the real one, which sends without switching greenlets.
        self._raw = getattr(server.sock, "_sock", server.sock)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._unsent = bytearray()
        self._draining = False
        # What has come of a message in several frames.
        self._partial = bytearray()
        self.open = bool(server.connected)
        self.close_code = 0
        self.heard_at = time.monotonic()
        self.pinged_at = 0.0
        self.closed_at = 0.0

    def frames(self) -> Iterator[str | bytes]:
        """Every message as it arrives, until the socket closes."""
        while chunk := self._receive():
            if self.open:
                self.heard_at = time.monotonic()
                self.pinged_at = 0.0
                yield from self._messages(chunk)
            else:  # we said goodbye: read on, so that the other side gets to read our reason
                self._skim(chunk)
            if self._is_over():
                break
            if len(chunk) == RECEIVE_BYTES:
                # Somebody sends faster than we read: the others have as much time as this one took.
                time.sleep(min(time.monotonic() - self.heard_at, MAX_PAUSE_S))
        self.open = False
        self._server.connected = False
        self._server.sock.close()

    def send(self, text: str) -> None:
        """Send one message without waiting: what the socket does not take now goes out by and by.

        Raises ``LineClosed``.
        """
        self._send_event(TextMessage(data=text))

    def ping(self) -> None:
        """Ask whether anybody is there; any frame is an answer."""
        self.pinged_at = time.monotonic()
        self._send_event(Ping())

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye; the reader ends when the other side hangs up, or at ``abort``. Safe to call twice."""
        if not self.open:
            return
        self.close_code = code
        with suppress(LineClosed):
            self._send_event(CloseConnection(code=code, reason=reason[:100] or None))
        self._finish()

    def refuse(self, code: int, reason: str) -> None:
        """Say goodbye to a newcomer, who has a moment to read it."""
        self._server.sock.settimeout(LINGER_S)
        self.close(code, reason)
        for _ in self.frames():
            pass

    def abort(self) -> None:
        """Hang up at once."""
        self._finish()
        self._shutdown(socket.SHUT_RDWR)

    def _is_over(self) -> bool:
        if self._server.ws.state is ConnectionState.CLOSED:  # RFC 6455, 7.1.1: the server hangs up first
            return True
        return not self.open and time.monotonic() - self.closed_at > LINGER_S

    def _finish(self) -> None:
        self.open = False
        self.closed_at = self.closed_at or time.monotonic()
        if not self._unsent:  # else our end follows the last of it
            self._shutdown(socket.SHUT_WR)

    def _shutdown(self, how: int) -> None:
        with suppress(OSError):
            self._raw.shutdown(how)

    def _receive(self) -> bytes:
        try:
            return bytes(self._server.sock.recv(RECEIVE_BYTES))
        except OSError:
            return b""

    def _messages(self, chunk: bytes) -> Iterator[str | bytes]:
        connection = self._server.ws
        try:
            connection.receive_data(chunk)
            for event in connection.events():
                yield from self._handle(event)
                if not self.open:
                    return
        except (LocalProtocolError, RemoteProtocolError) as error:
            hint = getattr(error, "event_hint", None)
            code = getattr(hint, "code", PROTOCOL_ERROR)
            self.close(int(code), "protocol error")

    def _skim(self, chunk: bytes) -> None:
        """Look for the other side's goodbye and nothing else."""
        try:
            self._server.ws.receive_data(chunk)
            for _ in self._server.ws.events():
                pass
        except (LocalProtocolError, RemoteProtocolError):
            pass

    def _handle(self, event: Any) -> Iterator[str | bytes]:
        if isinstance(event, TextMessage | BytesMessage):
            yield from self._assembled(event)
        elif isinstance(event, Ping):
            self._send_event(event.response())
        elif isinstance(event, CloseConnection):
            self.close_code = int(event.code)
            with suppress(LineClosed):
                self._send_event(event.response())
            self._finish()

    def _assembled(self, event: Any) -> Iterator[str | bytes]:
        data, is_text = event.data, isinstance(event, TextMessage)
        if event.message_finished and not self._partial:
            if self._within_limit(len(data if not is_text or data.isascii() else data.encode())):
                yield data if is_text else bytes(data)
            return
        self._partial += data.encode() if is_text else data
        if self._within_limit(len(self._partial)) and event.message_finished:
            whole, self._partial = bytes(self._partial), bytearray()
            yield whole.decode() if is_text else whole

    def _within_limit(self, size: int) -> bool:
        if size <= self._max_bytes:
            return True
        self.close(TOO_BIG, f"more than {self._max_bytes} bytes")
        return False

    def _send_event(self, event: Any) -> None:
        with self._lock:
            if not self.open:
                raise LineClosed
            try:
                out = self._server.ws.send(event)
            except LocalProtocolError:  # the other side has said goodbye
                raise LineClosed from None
            if self._unsent:
                self._keep(out)
                return
            try:
                sent = self._raw.send(out, socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.abort()
                raise LineClosed from None
            if sent < len(out):
                self._keep(out[sent:])

    def _keep(self, rest: bytes) -> None:
        """Hold what the socket did not take, and let somebody else wait for it."""
        self._unsent += rest
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self.abort()
            raise LineClosed
        if not self._draining:
            self._draining = True
            threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        while self._draining:
            if not self._wait_writable() or not self._send_some():
                self.abort()
                return
        if not self.open:
            self._shutdown(socket.SHUT_WR)

    def _send_some(self) -> bool:
        with self._lock:
            try:
                sent = self._raw.send(bytes(self._unsent[:65_536]), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            del self._unsent[:sent]
            self._draining = bool(self._unsent)
            return True

    def _wait_writable(self) -> bool:
        poll = select.poll()
        try:
            poll.register(self._raw.fileno(), select.POLLOUT)
            return bool(poll.poll(SEND_TIMEOUT_S * 1000))
        except (OSError, ValueError):
            return False
