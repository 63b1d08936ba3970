"""What staff must tell of an Odoo server."""

from __future__ import annotations

from app.blueprints.odoo.address import Address
from app.blueprints.odoo.errors import BadText, BadUrl, PasswordMissing, PasswordNeeded
from app.domain_error import DomainError

LONGEST_PASSWORD = 500


def url(given: str | None) -> str:
    """The address of a server. Raises ``BadUrl`` or ``UrlWithLogin``."""
    found = text(given).rstrip("/")
    if len(found) > 500:
        raise BadUrl
    Address.of_server(found)
    return found


def text(given: str | None) -> str:
    """A text that XML and every database can hold. Raises ``BadText``."""
    found = (given or "").strip()
    if not found.isprintable():
        raise BadText
    return found


def password(given: str | None, server_url: str | None, known_url: str | None) -> None:
    """Check the password for a server; ``known_url`` is where the one that is kept, if any, may go.

    Raises ``BadText``, ``PasswordMissing`` or ``PasswordNeeded``.
    """
    if given:
        if not given.isprintable():
            raise BadText
    elif known_url is None:
        raise PasswordMissing
    elif _origin(server_url) != _origin(known_url):
        raise PasswordNeeded


def _origin(server_url: str | None) -> str:
    try:
        return Address.of_server(url(server_url)).origin
    except DomainError:  # that field has its own sentence
        return ""
