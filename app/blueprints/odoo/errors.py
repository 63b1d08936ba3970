"""Why odoo refuses, and what can be the matter with a server: each trouble has a sentence of its own."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.domain_error import DomainError

OK = "ok"
WRONG_PASSWORD = "wrong_password"  # noqa: S105 - what may be the matter, not a secret
# What a fact is cut to: it comes from a server that may say anything.
LONGEST_FACT = 300

# Outcome of a check, as the database keeps it → what people read. ``fact`` is what is particular to this one.
SENTENCES = {
    OK: lazy_gettext("The server answers and accepts the password."),
    "timeout": lazy_gettext("The server did not answer within %(fact)s seconds."),
    "unknown_host": lazy_gettext(
        "Nobody knows the host name %(fact)s: check the address and the network's DNS."
    ),
    "refused": lazy_gettext("The host refuses the connection: nothing listens at port %(fact)s."),
    "unreachable": lazy_gettext("There is no way to the host: check the network and its firewalls."),
    "network": lazy_gettext("The connection failed: %(fact)s."),
    "closed": lazy_gettext("The server hung up in the middle."),
    "tls_expired": lazy_gettext("TLS: the server's certificate has expired."),
    "tls_early": lazy_gettext(
        "TLS: the server's certificate is not valid yet. Is this machine's clock right?"
    ),
    "tls_self_signed": lazy_gettext(
        "TLS: the server signed its certificate itself, so nobody vouches for it."
    ),
    "tls_issuer": lazy_gettext("TLS: this machine does not know who issued the server's certificate."),
    "tls_name": lazy_gettext("TLS: the server's certificate is for another host name than %(fact)s."),
    "tls_none": lazy_gettext(
        "TLS: the server does not speak it at this port. Is the address http:// instead?"
    ),
    "tls": lazy_gettext("TLS: no secure connection came about (%(fact)s)."),
    "moved_away": lazy_gettext(
        "The server sends visitors on to %(fact)s, which is not followed: enter that if it is right."
    ),
    "moved_unsafely": lazy_gettext(
        "The server sends visitors from https:// on to http://, which is not followed."
    ),
    "moved_in_circles": lazy_gettext("The server sends visitors on and on, from one address to the next."),
    "not_found": lazy_gettext(
        "There is no Odoo at this address (404): enter the server's own, without a page."
    ),
    "server_error": lazy_gettext("The server is in trouble itself: it answers %(fact)s."),
    "status": lazy_gettext("The server does not let us in: it answers %(fact)s."),
    "html": lazy_gettext("A web page answered, not Odoo's XML-RPC: check the address."),
    "nonsense": lazy_gettext("The answer is not XML-RPC: this does not seem to be Odoo."),
    "too_large": lazy_gettext("The answer is far larger than Odoo's ever is, so it was not read to its end."),
    "fault": lazy_gettext("Odoo reports a fault: %(fact)s"),
    "wrong_database": lazy_gettext("The server has no database %(fact)s."),
    WRONG_PASSWORD: lazy_gettext("Odoo does not accept this user name and password."),
    "unreadable_password": lazy_gettext(
        "The password cannot be read, because SECRET_KEY has changed: enter the password again."
    ),
    "bug": lazy_gettext("The check itself failed. It has been written to the log."),
}


def sentence(outcome: str, fact: str) -> str:
    """What people read of a check; nothing where there has been none."""
    return str(SENTENCES[outcome]) % {"fact": fact} if outcome else ""


class Trouble(Exception):
    """What is the matter with a server, for the client's own use: it speaks no language."""

    def __init__(self, outcome: str, fact: str = "") -> None:
        self.outcome = outcome
        self.fact = "".join(letter if letter.isprintable() else " " for letter in fact[:LONGEST_FACT])
        super().__init__(outcome, self.fact)


class CheckFailed(DomainError):
    """The server cannot be reached, or does not answer as it should."""

    def __init__(self, outcome: str, fact: str = "") -> None:
        super().__init__(sentence(outcome, fact))


class InvalidCredentials(DomainError):
    """The server does not accept the user name and the password."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__(gettext("invalid credentials"))


class BadUrl(DomainError):
    """Not the address of a server."""

    def __init__(self) -> None:
        super().__init__(
            gettext("the address must be one such as https://odoo.example.com or http://192.168.1.20:8069")
        )


class UrlWithLogin(DomainError):
    """An address that carries a user name or a password."""

    def __init__(self) -> None:
        super().__init__(gettext("leave the user name and the password out of the address"))


class BadText(DomainError):
    """A text that XML cannot carry."""

    def __init__(self) -> None:
        super().__init__(gettext("this must not contain control characters"))


class PasswordMissing(DomainError):
    """A new instance without a password."""

    def __init__(self) -> None:
        super().__init__(gettext("enter the password"))


class PasswordNeeded(DomainError):
    """A password goes to the server that it was entered for, and to no other."""

    def __init__(self) -> None:
        super().__init__(gettext("enter the password again: the address has changed"))
