"""One HTTP request to a server that may hang, drip, lie or flood: bounded in time and in size."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.blueprints.odoo.address import Address
from app.blueprints.odoo.errors import Trouble

# Odoo's answers to what we ask are below 1 KB, a fault with its traceback below 20.
LONGEST_ANSWER = 128 * 1024
LONGEST_HEAD = 64 * 1024
# OpenSSL's verdicts on a certificate (X509_V_ERR_…) → trouble.
CERTIFICATE_TROUBLES = {
    9: "tls_early", 10: "tls_expired", 18: "tls_self_signed", 19: "tls_self_signed",
    2: "tls_issuer", 20: "tls_issuer", 21: "tls_issuer", 62: "tls_name", 64: "tls_name",
}  # fmt: skip
# What OpenSSL calls an answer that is not TLS at all.
NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


class Deadline:
    """The moment by which everything is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left. Raises ``TimeoutError`` when none is."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self._end


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    reason: str
    content_type: str
    # Where it sends the visitor on to; empty when it does not.
    location: str
    body: bytes


def post(address: Address, body: bytes, deadline: Deadline) -> Answer:
    """Send XML to an address and read the answer. Raises ``Trouble``."""
    try:
        with _connected(address, deadline) as sock:
            answer = _exchange(address, sock, body)
        deadline.left()  # an answer that was cut off may look like a whole one
        return answer
    except (OSError, http.client.HTTPException) as problem:
        if deadline.is_over or isinstance(problem, TimeoutError):
            raise Trouble("timeout", f"{deadline.seconds:g}") from problem
        raise _trouble(problem, address) from problem


@contextmanager
def _connected(address: Address, deadline: Deadline) -> Iterator[socket.socket]:
    """A connection, with TLS where the address says so; cut off at the deadline, whatever it is doing."""
    sock = _connect(address, deadline)
    # A duplicate, as TLS takes the socket over: a server that sends a byte now and then outwits time-outs.
    line = sock.dup()
    watchdog = threading.Timer(deadline.left(), _cut, [line])
    watchdog.daemon = True
    watchdog.start()
    try:
        sock.settimeout(deadline.left())
        if address.is_secure:
            sock = trust().wrap_socket(sock, server_hostname=address.host)
        yield sock
    finally:
        watchdog.cancel()
        line.close()
        sock.close()


def _connect(address: Address, deadline: Deadline) -> socket.socket:
    """A connection to the first of a host's addresses that answers; each has its share of the time."""
    places = _places(address.host, address.port, deadline)
    problem: OSError = OSError("no address")
    for number, (family, kind, protocol, _, place) in enumerate(places):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left() / (len(places) - number))
            sock.connect(place)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    raise problem


def _places(host: str, port: int, deadline: Deadline) -> list[Any]:
    """A host's addresses. The system's resolver knows no deadline, so it is asked in a thread."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    resolver = threading.Thread(target=ask, daemon=True)
    resolver.start()
    resolver.join(deadline.left())
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise Trouble("unknown_host", host) from found[0]
    places: list[Any] = found[0]
    return places


def _cut(line: socket.socket) -> None:
    with suppress(OSError):  # it has been closed meanwhile
        line.shutdown(socket.SHUT_RDWR)


def _exchange(address: Address, sock: socket.socket, body: bytes) -> Answer:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = _Bounded(sock)
    headers = {
        "Host": address.authority,
        "Content-Type": "text/xml",
        "User-Agent": "Constellation",
        "Accept-Encoding": "identity",  # what is packed may unpack to anything
        "Connection": "close",
    }
    connection.request("POST", address.path, body, headers)
    response = connection.getresponse()
    text = response.read(LONGEST_ANSWER + 1)
    if response.length and len(text) <= LONGEST_ANSWER:
        raise http.client.IncompleteRead(text)
    return Answer(
        status=response.status,
        reason=response.reason,
        content_type=response.headers.get_content_type(),
        location=response.headers.get("Location", ""),
        body=text,
    )


class _Bounded:
    """A socket, as far as ``http.client`` needs one, from which only so much can be read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sendall = sock.sendall
        self._sock = sock

    def close(self) -> None:
        """Leave that to whoever has connected: ``http.client`` closes before it reads."""

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._left = LONGEST_HEAD + LONGEST_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise Trouble("too_large")
        return count


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """Whom this machine believes (SSL_CERT_FILE adds others). Kept: reading all of them takes a while."""
    return ssl.create_default_context()


def _trouble(problem: Exception, address: Address) -> Trouble:
    """What a failure of the network means."""
    if isinstance(problem, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Trouble("closed")
    if isinstance(problem, ssl.SSLError):
        return _tls_trouble(problem, address)
    if isinstance(problem, ConnectionRefusedError):
        return Trouble("refused", str(address.port))
    if isinstance(problem, ConnectionError | http.client.IncompleteRead):
        return Trouble("closed")
    if isinstance(problem, http.client.HTTPException):
        return Trouble("nonsense")
    if isinstance(problem, OSError) and problem.errno in UNREACHABLE:
        return Trouble("unreachable")
    return Trouble("network", str(getattr(problem, "strerror", None) or type(problem).__name__))


def _tls_trouble(problem: ssl.SSLError, address: Address) -> Trouble:
    if isinstance(problem, ssl.SSLCertVerificationError):
        outcome = CERTIFICATE_TROUBLES.get(problem.verify_code, "tls")
        return Trouble(outcome, address.host if outcome == "tls_name" else problem.verify_message)
    if problem.reason in NOT_TLS:
        return Trouble("tls_none")
    return Trouble("tls", (problem.reason or type(problem).__name__).replace("_", " ").lower())
