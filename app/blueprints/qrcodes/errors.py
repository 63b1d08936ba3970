"""Why something cannot be a QR code."""

from __future__ import annotations

from flask_babel import lazy_gettext

from app.domain_error import DomainError


class NotForQR(DomainError):
    """There is nothing to say, or more than a picture can hold that a phone still reads."""

    def __init__(self, most: int) -> None:
        super().__init__(lazy_gettext("A QR code holds 1 to %(most)d bytes of text.", most=most))
