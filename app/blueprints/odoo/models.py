"""Odoo servers, and what came of asking them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.at_rest import EncryptedText
from app.blueprints.odoo.errors import LONGEST_FACT, OK, sentence
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime
from app.leases import Leased


class Instance(Leased, Base):
    """An Odoo server that staff have named, what is wanted of its check, and how the last one went."""

    __tablename__ = "odoo_instance"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    url: Mapped[str] = mapped_column(String(500))
    database: Mapped[str] = mapped_column(String(100))
    username: Mapped[str] = mapped_column(String(200))
    # Read when it is sent, and never for a list. None: SECRET_KEY has changed since.
    password: Mapped[str | None] = mapped_column(EncryptedText, nullable=False, deferred=True)

    # A check is wanted since then; empty when none is.
    asked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_ok_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # One of ``errors.SENTENCES``, empty before the first check; and what is particular to it.
    last_outcome: Mapped[str] = mapped_column(String(20), default="")
    last_fact: Mapped[str] = mapped_column(String(LONGEST_FACT), default="")
    # Odoo's own, as it told when it last answered.
    version: Mapped[str] = mapped_column(String(50), default="")

    @property
    def state(self) -> str:
        """``checking``, ``waiting``, ``never``, ``ok`` or ``failed``."""
        if self.leased_until is not None and self.leased_until > utcnow():
            return "checking"
        if self.asked_at is not None:
            return "waiting"
        if not self.last_outcome:
            return "never"
        return "ok" if self.last_outcome == OK else "failed"

    @property
    def last_sentence(self) -> str:
        """How the last check went."""
        return sentence(self.last_outcome, self.last_fact)

    def __str__(self) -> str:
        return self.name


class InstanceCheck(Base):
    """One check of an instance: kept for a while, so that staff see since when, and how often."""

    __tablename__ = "odoo_check"
    __table_args__ = (Index("ix_odoo_check_instance_id_id", "instance_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("odoo_instance.id"))
    at: Mapped[Timestamp]
    outcome: Mapped[str] = mapped_column(String(20))
    fact: Mapped[str] = mapped_column(String(LONGEST_FACT), default="")
    duration_ms: Mapped[int]

    instance: Mapped[Instance] = relationship()

    @property
    def is_ok(self) -> bool:
        """Whether the server answered and accepted the password."""
        return self.outcome == OK

    @property
    def sentence(self) -> str:
        """How it went."""
        return sentence(self.outcome, self.fact)
