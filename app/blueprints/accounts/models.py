"""Users, tags and energy accounts, with the rules that need only themselves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Numeric, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime


class User(Base):
    """A person: a driver, or staff."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    # An argon2 hash; empty means that no password logs in.
    password: Mapped[str] = mapped_column(String(255), default="")
    email: Mapped[str] = mapped_column(String(254), default="")
    phone_number: Mapped[str] = mapped_column(String(20), default="")
    has_charger: Mapped[bool] = mapped_column(default=False)
    is_staff: Mapped[bool] = mapped_column(default=False)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    # Part of every login session; a new one ends them all.
    session_key: Mapped[str] = mapped_column(String(32), default="")
    added_on: Mapped[Timestamp] = mapped_column(default=utcnow)

    account: Mapped[Account | None] = relationship(back_populates="user")
    rfids: Mapped[list[RFID]] = relationship(back_populates="user")
    tokens: Mapped[list[ApiToken]] = relationship(back_populates="user")

    # What Flask-Login asks of a user.
    is_authenticated = True
    is_anonymous = False

    def get_id(self) -> str:
        """What a login session holds: it ends when the key changes."""
        return f"{self.id}:{self.session_key}"

    def __str__(self) -> str:
        return self.username


class ApiToken(Base):
    """A bearer token of a user, stored as a hash; its plain form is shown once."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    # SHA-256 of the token, in hexadecimal: the token itself has 256 random bits.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    revoked_on: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(back_populates="tokens")

    def __str__(self) -> str:
        return self.name or f"#{self.id}"


class AuditEntry(Base):
    """Who did what, when, to which row."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Timestamp] = mapped_column(default=utcnow, index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    # The name as it was: it stays when the user is renamed.
    username: Mapped[str] = mapped_column(String(150), default="")
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(60), default="")
    subject_id: Mapped[str] = mapped_column(String(100), default="")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class RFID(Base):
    """A driver's card. OCPP calls it id tag and allows 20 characters."""

    __tablename__ = "rfid"

    id: Mapped[int] = mapped_column(primary_key=True)
    rfid: Mapped[str] = mapped_column(String(20), unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    allowed: Mapped[bool] = mapped_column(default=True)
    added_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Group id: tags of one parent may end each other's transactions (OCPP 1.6, 4.8).
    parent: Mapped[str | None] = mapped_column(String(20))

    user: Mapped[User | None] = relationship(back_populates="rfids")

    @validates("rfid", "parent")
    def _upper(self, _key: str, value: str | None) -> str | None:
        return value.strip().upper() if value else value

    @validates("allowed")
    def _disown(self, _key: str, value: bool) -> bool:
        if value is False:
            self.user = None
            self.user_id = None
        return value

    @property
    def blacklisted(self) -> bool:
        """The opposite of ``allowed``."""
        return not self.allowed

    @blacklisted.setter
    def blacklisted(self, value: bool) -> None:
        self.allowed = not value

    def __str__(self) -> str:
        return self.rfid


class Account(Base):
    """The energy balance of one user.

    ``credited_wh`` and ``spent_wh`` are running totals, changed together with the
    rows they sum, so that a balance costs the same however long the history.
    """

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), unique=True)
    service_account: Mapped[bool] = mapped_column(default=False)
    credited_wh: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_wh: Mapped[int] = mapped_column(BigInteger, default=0)

    user: Mapped[User] = relationship(back_populates="account")
    credits: Mapped[list[Credit]] = relationship(back_populates="account", order_by="Credit.id")

    @hybrid_property
    def balance_wh(self) -> int:
        """Lists sort and filter by it."""
        return self.credited_wh - self.spent_wh

    @property
    def credits_kwh(self) -> Decimal:
        return Decimal(self.credited_wh) / 1000

    @property
    def total_kwh_spent(self) -> Decimal:
        return Decimal(self.spent_wh) / 1000

    @property
    def balance_kwh(self) -> Decimal:
        return Decimal(self.balance_wh) / 1000

    def may_charge(self) -> bool:
        """A service account always, the others while there is credit."""
        return self.service_account or self.balance_wh > 0

    def __str__(self) -> str:
        return str(self.user)


class Credit(Base):
    """One movement of credit; never edited, never deleted: a correction is another credit."""

    __tablename__ = "credit"
    __table_args__ = (
        CheckConstraint("amount_kwh <> 0", name="not_zero"),
        Index("ix_credit_account", "account_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    amount_kwh: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_on: Mapped[Timestamp] = mapped_column(default=utcnow)

    account: Mapped[Account] = relationship(back_populates="credits")
    created_by: Mapped[User | None] = relationship()
