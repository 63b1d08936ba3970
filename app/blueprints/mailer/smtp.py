"""One connection to the mail server: opened when it is needed, used for one mail after the other.

It knows no database. What a server says about a mail is an exception of one of three kinds. (Those of smtplib
are OSErrors, as are those of sockets and of TLS.)
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext

# Seconds to connect, with TLS and a greeting; for an answer; for a whole mail, whatever the server dribbles.
CONNECT_S, ANSWER_S, MAIL_S = 10.0, 30.0, 120.0
# Over this port TLS comes before the first word (RFC 8314).
TLS_PORT = 465
CRLF = b"\r\n"


class Unavailable(Exception):
    """The server takes no mail at all just now; no mail is to blame."""


class HungUp(Unavailable):
    """It ended the connection before this mail had begun."""


class Later(Exception):
    """The server does not take this mail now. ``broke``: it stopped talking in the midst of it."""

    def __init__(self, reason: str, *, broke: bool = False) -> None:
        super().__init__(reason)
        self.broke = broke


class Refused(Exception):
    """The server will never take this mail."""


@dataclass(frozen=True)
class Server:
    """Where mail is handed in, and how."""

    host: str
    port: int = 25
    username: str = ""
    password: str = field(default="", repr=False)
    # "", "starttls" or "implicit".
    tls: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Server:
        """As the settings say; without a host, mails wait."""
        port, tls = settings["SMTP_PORT"], "starttls" if settings["SMTP_TLS"] else ""
        return cls(
            settings["SMTP_HOST"], port, settings["SMTP_USERNAME"], settings["SMTP_PASSWORD"],
            "implicit" if port == TLS_PORT else tls,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Connection:
    """A conversation with a server, for as many mails as it takes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._smtp: smtplib.SMTP | None = None

    def deliver(self, sender: str, recipient: str, message: bytes) -> str:
        """Hand over one mail; return what the server answered.

        Raises ``Unavailable``, ``Later`` or ``Refused`` with a sentence for people.
        """
        if self._smtp is not None:
            try:
                return self._hand_over(self._smtp, sender, recipient, message)
            except HungUp:  # servers take only so many mails over one connection
                self.close()
        return self._hand_over(self._open(), sender, recipient, message)

    def cut(self) -> None:
        """End the connection from another thread: whoever waits for an answer learns of it at once."""
        sock = getattr(self._smtp, "sock", None)
        if sock is not None:
            with suppress(OSError):  # the other side has done it
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye, without waiting for long."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        with suppress(OSError):
            if smtp.sock is not None:
                smtp.sock.settimeout(2)
                smtp.quit()
        smtp.close()

    def _open(self) -> smtplib.SMTP:
        try:
            smtp = self._smtp = self._connected()
            self._greet(smtp)
            if self.server.username:
                smtp.login(self.server.username, self.server.password)
            assert smtp.sock is not None  # it is connected
            smtp.sock.settimeout(ANSWER_S)
        except (OSError, UnicodeError) as error:
            self.close()
            raise Unavailable(_why_not(self.server, error)) from error
        return smtp

    def _connected(self) -> smtplib.SMTP:
        host, port, name = self.server.host, self.server.port, _own_name()
        if self.server.tls == "implicit":
            return smtplib.SMTP_SSL(
                host, port, local_hostname=name, timeout=CONNECT_S, context=ssl.create_default_context()
            )
        return smtplib.SMTP(host, port, local_hostname=name, timeout=CONNECT_S)

    def _greet(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self.server.tls == "starttls":
            # The system's certificate authorities, and the name must be the server's.
            smtp.starttls(context=ssl.create_default_context())
            smtp.ehlo_or_helo_if_needed()

    def _hand_over(self, smtp: smtplib.SMTP, sender: str, recipient: str, message: bytes) -> str:
        with self._in_time():
            self._begin(smtp, sender)
            try:
                self._judge(smtp.rcpt(recipient), (250, 251, 252))
                self._judge(smtp.docmd("DATA"), (354,))
            except OSError as error:
                raise self._broken(gettext("the connection broke: %(error)s", error=error)) from error
            try:
                smtp.send(re.sub(rb"(?m)^\.", b"..", message) + b"." + CRLF)
                return self._judge(smtp.getreply(), (250,))
            except OSError as error:
                # It may have arrived all the same. Again, then: twice is better than never.
                reason = gettext("the connection broke before the mail was confirmed: %(error)s", error=error)
                raise self._broken(reason) from error

    def _begin(self, smtp: smtplib.SMTP, sender: str) -> None:
        try:
            code, said = smtp.mail(sender)
        except OSError as error:
            self.close()
            raise HungUp(gettext("the connection broke: %(error)s", error=error)) from error
        if code == 250:
            return
        self.close()
        if code == 421:
            raise HungUp(_answer(code, said))
        raise Unavailable(
            gettext("the server takes no mail from MAIL_FROM: %(answer)s", answer=_answer(code, said))
        )

    def _judge(self, reply: tuple[int, bytes], welcome: tuple[int, ...]) -> str:
        """The answer, if it is one of the welcome ones; else the server is ready for another mail."""
        code, said = reply
        answer = _answer(code, said)
        if code in welcome:
            return answer
        if code == 421:  # it goes away
            raise self._broken(answer)
        self._reset()
        if code in (530, 538):  # it wants a login, or TLS first (RFC 4954): no mail is to blame
            self.close()
            raise Unavailable(answer)
        raise Refused(answer) if 500 <= code < 600 else Later(answer)

    def _reset(self) -> None:
        try:
            assert self._smtp is not None  # it has just answered
            fine = self._smtp.rset()[0] == 250
        except OSError:
            fine = False
        if not fine:
            self.close()

    def _broken(self, reason: str) -> Later:
        self.close()
        return Later(reason, broke=True)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        timer = threading.Timer(MAIL_S, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _why_not(server: Server, error: Exception) -> str:
    """Why there is no connection, in a sentence."""
    if isinstance(error, UnicodeError):
        return gettext("SMTP_USERNAME and SMTP_PASSWORD must be ASCII")
    if isinstance(error, ssl.SSLError):
        return _why_no_tls(server, error)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return gettext("%(server)s refuses the login: %(answer)s", server=server, answer=_answer_in(error))
    if isinstance(error, smtplib.SMTPResponseException):
        return gettext("%(server)s takes no mail: %(answer)s", server=server, answer=_answer_in(error))
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return gettext("%(server)s does not offer TLS", server=server)
    if isinstance(error, smtplib.SMTPException) and not isinstance(error, smtplib.SMTPServerDisconnected):
        return gettext("%(server)s does not offer a login that is known here", server=server)
    why = error.strerror if isinstance(error, OSError) and error.strerror else error
    return gettext("no connection to %(server)s: %(why)s", server=server, why=why)


def _why_no_tls(server: Server, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return gettext(
            "the certificate of %(server)s is not trusted by this machine's certificate authorities: %(why)s",
            server=server, why=error.verify_message,
        )  # fmt: skip
    return gettext("no TLS with %(server)s: %(why)s", server=server, why=error.reason or error)


def _answer_in(error: smtplib.SMTPResponseException) -> str:
    return _answer(error.smtp_code, error.smtp_error)


def _own_name() -> str:
    """How we introduce ourselves: without asking the DNS, which may take its time."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _answer(code: int, said: bytes | str) -> str:
    """What a server said, as a line that can be kept and shown."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    readable = "".join(letter if letter.isprintable() else " " for letter in text[:1000])
    return f"{code} {' '.join(readable.split())}"[:300].strip()
