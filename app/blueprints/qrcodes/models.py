"""QR links: what a picture says, once for everybody who shows it."""

from __future__ import annotations

import hashlib

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.blueprints.qrcodes.errors import NotForQR
from app.clock import utcnow
from app.db import Base, Timestamp

# Bytes, so that the largest picture (ISO 18004: 2,331 bytes at level M) and PostgreSQL's index hold it.
MOST_BYTES = 2000


class QRLink(Base):
    """A text, usually an address, that has a QR code. Its picture is a file named by the text's hash."""

    __tablename__ = "qr_link"
    __table_args__ = (CheckConstraint("length(value) > 0", name="value"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(2000), unique=True)
    # The name of the picture: the SHA-256 of the value, in hexadecimal, and its ending.
    image: Mapped[str] = mapped_column(String(80), unique=True)
    created_on: Mapped[Timestamp] = mapped_column(default=utcnow)

    @validates("value")
    def _name(self, _key: str, value: str) -> str:
        self.image = image_name(value)
        return value

    def __str__(self) -> str:
        return self.value


def image_name(value: str) -> str:
    """The name of the picture of a text. Raises ``NotForQR``."""
    try:
        said = value.encode()
    except UnicodeEncodeError:  # half a character
        raise NotForQR(MOST_BYTES) from None
    if not 0 < len(said) <= MOST_BYTES or b"\0" in said:
        raise NotForQR(MOST_BYTES)
    return f"{hashlib.sha256(said).hexdigest()}.png"
