"""Which domain label serves a host name."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, validates

from app.db import Base


class Site(Base):
    """A host name of this installation: ``charge.example.com`` → ``ocpp``."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(String(253), unique=True)
    label: Mapped[str] = mapped_column(String(40))

    @validates("domain")
    def _lower(self, _key: str, value: str) -> str:
        return value.strip().lower()

    def __str__(self) -> str:
        return self.domain
