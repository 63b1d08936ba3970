"""A real mail server for tests, in threads: it can be down, hang, drop, refuse, want TLS and a login."""

from __future__ import annotations

import base64
import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

# What it does at a word instead of answering: say nothing for good, or hang up.
HANG, DROP = "hang", "drop"


@dataclass(frozen=True)
class Mail:
    """One mail that was taken."""

    sender: str
    to: str
    data: bytes
    # The number of the connection that it came over.
    connection: int

    @property
    def message(self) -> EmailMessage:
        """As a reader's program understands it."""
        return email.message_from_bytes(self.data, policy=email.policy.default)  # type: ignore[return-value]


class SmtpServer:
    """Listens on ``port``. ``answers``: a word → what comes instead of the usual answer to it.

    Words: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, END (of the mail), QUIT, or a recipient's address.
    An answer is a line such as ``450 later``, HANG or DROP; of a list, each one serves once.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.tls, self.implicit, self.login = tls, implicit, login
        self.answers: dict[str, str | list[str]] = {}
        self.mails: list[Mail] = []
        self.connections = 0
        # Words as they came in, of all connections.
        self.heard: list[str] = []
        # Mails over one connection; the next one is answered 421.
        self.at_most = 10**9
        # Seconds that each mail takes.
        self.slowness_s = 0.0
        self.keep = True
        self.taken = 0
        self.port = 0
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Serve, again on the same port."""
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=50)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener, self._stopped), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and break those that are."""
        self._stopped.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def take(self, mail: Mail) -> None:
        """A mail has come in."""
        self.taken += 1
        if self.keep:
            self.mails.append(mail)

    def instead(self, word: str) -> str:
        """What is to be done at a word; empty: the usual."""
        self.heard.append(word)
        told = self.answers.get(word, "")
        if isinstance(told, list):
            return told.pop(0) if told else ""
        return told

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                self._sockets.add(sock)
                session = _Session(self, sock, self.connections, stopped)
                threading.Thread(target=session.run, daemon=True).start()


class _Session:
    """One connection."""

    def __init__(
        self, server: SmtpServer, sock: socket.socket, number: int, stopped: threading.Event
    ) -> None:
        self.server, self.number, self.stopped = server, number, stopped
        self.raw = self.sock = sock
        self.is_encrypted = False
        self.is_known = server.login is None
        self.mails = 0
        self.sender = self.to = ""

    def run(self) -> None:
        """Serve until it ends."""
        try:
            with suppress(OSError, _Over):
                if self.server.implicit:
                    self._encrypt()
                self.file = self.sock.makefile("rb")
                self.say("CONNECT", "220 test ESMTP")
                while line := self.file.readline():
                    self._serve(line.decode(errors="replace").strip())
        finally:
            self.server._sockets.discard(self.raw)
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            self.sock.close()

    def say(self, word: str, usual: str) -> bool:
        """Answer a word; whether the answer was the usual one."""
        told = self.server.instead(word)
        if told == HANG:
            self.stopped.wait()
        if told in (HANG, DROP):
            raise _Over
        self.sock.sendall((told or usual).encode() + b"\r\n")
        return not told

    def _encrypt(self) -> None:
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.is_encrypted = True

    def _serve(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        serve = getattr(self, f"_{word.lower()}", None)
        if serve is None:
            self.say(word.upper(), "500 unknown")
        else:
            serve(rest)

    def _ehlo(self, _name: str) -> None:
        offers = ["test", "8BITMIME", "PIPELINING"]
        if self.server.tls and not self.is_encrypted:
            offers.append("STARTTLS")
        if self.server.login and (self.is_encrypted or not self.server.tls):
            offers.append("AUTH PLAIN")
        lines = [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]
        self.say("EHLO", "\r\n".join(lines))

    def _helo(self, _name: str) -> None:
        self.say("HELO", "250 test")

    def _starttls(self, _rest: str) -> None:
        if self.say("STARTTLS", "220 go"):
            self._encrypt()
            self.file = self.sock.makefile("rb")

    def _auth(self, rest: str) -> None:
        user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
        self.is_known = (user, password) == self.server.login
        self.say("AUTH", "235 welcome" if self.is_known else "535 5.7.8 wrong user or password")

    def _mail(self, rest: str) -> None:
        if not self.is_known:
            self.say("MAIL", "530 5.7.0 log in first")
        elif self.mails >= self.server.at_most:
            self.say("MAIL", "421 too many mails over one connection")
            raise _Over
        elif self.say("MAIL", "250 ok"):
            self.sender = rest.partition("<")[2].partition(">")[0]

    def _rcpt(self, rest: str) -> None:
        to = rest.partition("<")[2].partition(">")[0]
        word = to if to in self.server.answers else "RCPT"
        if self.say(word, "250 ok"):
            self.to = to

    def _data(self, _rest: str) -> None:
        if not self.to:
            self.say("DATA", "503 nobody to send it to")
        elif self.say("DATA", "354 go on"):
            lines = []
            while (line := self.file.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b"..") else line)
            if not line:
                raise _Over
            self._end(b"".join(lines))

    def _end(self, data: bytes) -> None:
        self.stopped.wait(self.server.slowness_s)
        told = self.server.answers.get("END")
        if not told:
            self.mails += 1
            self.server.take(Mail(self.sender, self.to, data, self.number))
        self.say("END", f"250 2.0.0 taken as {self.server.taken}")
        self.sender = self.to = ""

    def _rset(self, _rest: str) -> None:
        self.sender = self.to = ""
        self.say("RSET", "250 ok")

    def _noop(self, _rest: str) -> None:
        self.say("NOOP", "250 ok")

    def _quit(self, _rest: str) -> None:
        self.say("QUIT", "221 bye")
        raise _Over


class _Over(Exception):
    """This connection is."""


@contextmanager
def smtp_server(**options: object) -> Iterator[SmtpServer]:
    """A running server."""
    server = SmtpServer(**options)  # type: ignore[arg-type]
    server.start()
    try:
        yield server
    finally:
        server.stop()


def wait_for(server: SmtpServer, mails: int, seconds: float) -> None:
    """Return when so many mails have come in; fail after a while."""
    deadline = time.monotonic() + seconds
    while server.taken < mails:
        assert time.monotonic() < deadline, f"{server.taken} of {mails} mails have come in"
        time.sleep(0.02)
