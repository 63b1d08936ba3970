"""Why nodes refuses."""

from __future__ import annotations

from flask_babel import gettext

from app.domain_error import DomainError


class IncompleteNode(DomainError):
    """A node without a name, or without a place."""

    def __init__(self) -> None:
        super().__init__(gettext("hostname and address required"))


class BadHostname(DomainError):
    """Not a host's name."""

    def __init__(self) -> None:
        super().__init__(gettext("hostname must be 1 to 253 letters, digits, and . - _"))


class BadAddress(DomainError):
    """Not an address in a network."""

    def __init__(self) -> None:
        super().__init__(gettext("address must be an IPv4 or IPv6 address"))


class BadPort(DomainError):
    """Not a port."""

    def __init__(self) -> None:
        super().__init__(gettext("port must be a whole number from 1 to 65535"))
