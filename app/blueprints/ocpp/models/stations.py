"""Chargers and their connectors."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.blueprints.qrcodes.models import QRLink
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime


class Charger(Base):
    """A charge point, as it described itself and as staff set it up."""

    __tablename__ = "charger"
    __table_args__ = (
        CheckConstraint(
            "registration_status IN ('Accepted', 'Pending', 'Rejected')", name="registration_status"
        ),
        CheckConstraint("validation IN ('', 'lenient', 'strict')", name="validation"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    charger_id: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    config: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    require_rfid: Mapped[bool] = mapped_column(default=False)
    # Answer to Boot (OCPP 1.6, 7.37): staff decide.
    registration_status: Mapped[str] = mapped_column(String(10), default="Accepted")
    # Refused at the handshake.
    blocked: Mapped[bool] = mapped_column(default=False)
    # lenient, strict, or empty: as the installation.
    validation: Mapped[str] = mapped_column(String(10), default="")
    # Salted hash of the key (security profile 1); empty: none set.
    auth_key_hash: Mapped[str] = mapped_column(String(160), default="")
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    # To its landing page; None until staff save the charger, or somebody looks at that page.
    qr_id: Mapped[int | None] = mapped_column(ForeignKey("qr_link.id"), index=True)
    # What Boot told, whole.
    boot: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    vendor: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(Text, default="")
    serial_number: Mapped[str] = mapped_column(Text, default="")
    firmware_version: Mapped[str] = mapped_column(Text, default="")
    booted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_path: Mapped[str] = mapped_column(Text, default="")
    last_address: Mapped[str] = mapped_column(String(64), default="")
    subprotocol: Mapped[str] = mapped_column(String(20), default="")
    last_seen: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_heartbeat: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_meter_values: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # Its answer to the newest GetConfiguration that asked for everything; secrets are masked.
    reported_config: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reported_config_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    firmware_status: Mapped[str] = mapped_column(String(40), default="")
    diagnostics_status: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[Timestamp] = mapped_column(default=utcnow)

    qr: Mapped[QRLink | None] = relationship()
    connectors: Mapped[list[Connector]] = relationship(
        back_populates="charger", order_by="Connector.connector_id"
    )

    def __str__(self) -> str:
        return self.name or self.charger_id


class Connector(Base):
    """An outlet of a charger, with its newest state; number 0 is the charger as a whole."""

    __tablename__ = "connector"
    __table_args__ = (UniqueConstraint("charger_id", "connector_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    connector_id: Mapped[int]
    status: Mapped[str] = mapped_column(String(40), default="")
    error_code: Mapped[str] = mapped_column(String(60), default="")
    info: Mapped[str] = mapped_column(Text, default="")
    vendor_id: Mapped[str] = mapped_column(Text, default="")
    vendor_error_code: Mapped[str] = mapped_column(Text, default="")
    # The charger's clock; an older notification never overwrites a newer one.
    since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The newest reading, so that a dashboard asks no history.
    power_w: Mapped[int | None] = mapped_column(BigInteger)
    meter_wh: Mapped[int | None] = mapped_column(BigInteger)
    measured_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    charger: Mapped[Charger] = relationship(back_populates="connectors")


class ChargerDay(Base):
    """What a charger delivered on one day of the site's zone: a running total, so that today asks no history.

    The days of a charger add up to the energy of its transactions. A correction counts on the day that it
    speaks of, which may then have less than nothing.
    """

    __tablename__ = "charger_day"
    # The whole site's day.
    __table_args__ = (Index("ix_charger_day_day", "day"),)

    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    energy_wh: Mapped[int] = mapped_column(BigInteger, default=0)
    # Transactions that began on this day, refused ones left out.
    sessions: Mapped[int] = mapped_column(default=0)
