"""People: users, where they live, the tokens that act for them, and the trail of what was done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, CheckConstraint, Connection, ForeignKey, String, event
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from app.blueprints.accounts import municipalities
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime

if TYPE_CHECKING:
    from app.blueprints.accounts.models.energy import Account
    from app.blueprints.accounts.models.tags import RFID


class User(Base):
    """A person: a driver, or staff."""

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    # An argon2 hash; empty means that no password logs in.
    password: Mapped[str] = mapped_column(String(255), default="")
    email: Mapped[str] = mapped_column(String(254), default="")
    phone_number: Mapped[str] = mapped_column(String(20), default="")
    # The language of pages and mails; empty: whatever the browser says.
    language: Mapped[str] = mapped_column(String(5), default="")
    address_id: Mapped[int | None] = mapped_column(ForeignKey("address.id"))
    has_charger: Mapped[bool] = mapped_column(default=False)
    is_staff: Mapped[bool] = mapped_column(default=False)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    # Part of every login session; a new one ends them all.
    session_key: Mapped[str] = mapped_column(String(32), default="")
    added_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    # None: has never logged in.
    last_login: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When the newest link of each kind was made: it is the only one that works.
    invited_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reset_asked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    address: Mapped[Address | None] = relationship()
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


class Address(Base):
    """Where somebody lives. A municipality belongs to its state, however the row came to be."""

    __tablename__ = "address"
    __table_args__ = (CheckConstraint("state IN ('CO', 'NL')", name="state"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    street: Mapped[str] = mapped_column(String(255))
    number: Mapped[str] = mapped_column(String(20))
    municipality: Mapped[str] = mapped_column(String(100))
    # Coahuila or Nuevo León: a key of ``municipalities.STATES``.
    state: Mapped[str] = mapped_column(String(2))
    postal_code: Mapped[str] = mapped_column(String(10))

    def __str__(self) -> str:
        return f"{self.street} {self.number}, {self.postal_code} {self.municipality}, {self.state}"


@event.listens_for(Address, "before_insert")
@event.listens_for(Address, "before_update")
def _check_municipality(_mapper: Mapper[Address], _connection: Connection, address: Address) -> None:
    municipalities.check(address.state, address.municipality)


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
