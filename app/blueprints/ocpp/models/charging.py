"""Transactions, readings, and what staff must see of the odd and the refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.blueprints.accounts.models import Account, User
from app.blueprints.ocpp.models.stations import Charger
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime

# SQLite numbers rows by itself only in an INTEGER column.
BigId = BigInteger().with_variant(Integer, "sqlite")


class Transaction(Base):
    """A charging session. Its id is handed to the charger: positive, 32-bit, unique over all chargers."""

    __tablename__ = "charge_transaction"
    __table_args__ = (
        # The same start again is the same transaction (a charger repeats what was not answered).
        UniqueConstraint(
            "charger_id",
            "connector_id",
            "id_tag",
            "started_at",
            "meter_start_wh",
            name="uq_transaction_start",
        ),
        Index("ix_transaction_charger", "charger_id", "id"),
        Index("ix_transaction_account", "account_id", "id"),
        # A driver asks for a period of their own.
        Index("ix_transaction_account_started", "account_id", "started_at", "id"),
        Index("ix_transaction_started", "started_at"),
        Index(
            "ix_transaction_running",
            "charger_id",
            sqlite_where=text("stopped_at IS NULL"),
            postgresql_where=text("stopped_at IS NULL"),
        ),
        Index(
            "ix_transaction_running_tag",
            "id_tag",
            sqlite_where=text("stopped_at IS NULL"),
            postgresql_where=text("stopped_at IS NULL"),
        ),
        # Whose credit is gone is asked for what runs on it, at every charger.
        Index(
            "ix_transaction_running_account",
            "account_id",
            sqlite_where=text("stopped_at IS NULL"),
            postgresql_where=text("stopped_at IS NULL"),
        ),
        CheckConstraint("energy_wh >= 0", name="energy_not_negative"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    connector_id: Mapped[int]
    # Upper-cased: tags compare without case.
    id_tag: Mapped[str] = mapped_column(Text)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id"))
    meter_start_wh: Mapped[int] = mapped_column(BigInteger)
    # The newest register value while it runs.
    meter_last_wh: Mapped[int | None] = mapped_column(BigInteger)
    meter_stop_wh: Mapped[int | None] = mapped_column(BigInteger)
    # Energy so far, then for good; an account's spent_wh is the sum of these.
    energy_wh: Mapped[int] = mapped_column(BigInteger, default=0)
    # The charger's clock …
    started_at: Mapped[Timestamp]
    stopped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # … and ours.
    received_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    stop_received_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    stop_reason: Mapped[str] = mapped_column(String(40), default="")
    stop_id_tag: Mapped[str] = mapped_column(Text, default="")
    # Why the start was refused; the charger may have charged all the same. Empty: it was not.
    refused: Mapped[str] = mapped_column(String(40), default="")
    # Words for what was odd, separated by spaces.
    flags: Mapped[str] = mapped_column(Text, default="")

    charger: Mapped[Charger] = relationship()
    account: Mapped[Account | None] = relationship()

    @property
    def energy_kwh(self) -> Decimal:
        return Decimal(self.energy_wh) / 1000

    @property
    def is_running(self) -> bool:
        """A refused start runs only if the charger charges all the same."""
        return self.stopped_at is None and (not self.refused or self.energy_wh > 0)

    @property
    def length(self) -> timedelta | None:
        """From start to end, by the charger's clock; None while it runs, and where nothing ever ran."""
        if self.stopped_at is None or (self.refused and not self.energy_wh):
            return None
        return self.stopped_at - self.started_at


class MeterReading(Base):
    """One sampled value (OCPP 1.6, 7.43), in the standard's base unit."""

    __tablename__ = "meter_reading"
    __table_args__ = (Index("ix_meter_reading_charger_at", "charger_id", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    connector_id: Mapped[int]
    transaction_id: Mapped[int | None] = mapped_column(ForeignKey("charge_transaction.id"))
    # The charger's clock.
    at: Mapped[Timestamp]
    measurand: Mapped[str] = mapped_column(Text)
    # None: not a number (signed data, nonsense); raw_value has it.
    value: Mapped[Decimal | None] = mapped_column(Numeric(20, 4))
    unit: Mapped[str] = mapped_column(Text, default="")
    context: Mapped[str] = mapped_column(Text, default="")
    phase: Mapped[str] = mapped_column(Text, default="")
    location: Mapped[str] = mapped_column(Text, default="")
    format: Mapped[str] = mapped_column(Text, default="")
    # As the charger sent it, where that differs.
    raw_value: Mapped[str | None] = mapped_column(Text)
    raw_unit: Mapped[str | None] = mapped_column(Text)


class Refusal(Base):
    """A tag that was not accepted, and why: what staff tell the driver on the phone."""

    __tablename__ = "refusal"
    __table_args__ = (Index("ix_refusal_charger", "charger_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[Timestamp] = mapped_column(default=utcnow)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    id_tag: Mapped[str] = mapped_column(Text)
    # Authorize, StartTransaction or StopTransaction.
    action: Mapped[str] = mapped_column(String(40))
    # What the charger was told: Blocked, Expired, Invalid, ConcurrentTx.
    status: Mapped[str] = mapped_column(String(20))
    # A word of services.authorization.REASONS.
    reason: Mapped[str] = mapped_column(String(40))

    charger: Mapped[Charger] = relationship()


class UnknownTag(Base):
    """A tag that nobody knows, remembered where it was seen so that staff can adopt it."""

    __tablename__ = "unknown_tag"
    __table_args__ = (UniqueConstraint("charger_id", "id_tag"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    id_tag: Mapped[str] = mapped_column(Text)
    first_seen: Mapped[Timestamp] = mapped_column(default=utcnow)
    last_seen: Mapped[Timestamp] = mapped_column(default=utcnow)
    times: Mapped[int] = mapped_column(default=1)

    charger: Mapped[Charger] = relationship()


class OddStop(Base):
    """Quarantine: a StopTransaction that fits no transaction, kept whole until staff resolve it."""

    __tablename__ = "odd_stop"
    __table_args__ = (Index("ix_odd_stop_open", "resolved_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    received_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    # Why it fits none: unknown, foreign, not_positive, missing.
    why: Mapped[str] = mapped_column(String(40))
    # As the charger claimed it; text, because it may be anything.
    claimed_id: Mapped[str] = mapped_column(Text, default="")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    resolved_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    note: Mapped[str] = mapped_column(Text, default="")

    charger: Mapped[Charger] = relationship()
    resolved_by: Mapped[User | None] = relationship()
