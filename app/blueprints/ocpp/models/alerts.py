"""What staff must know of: a charger that fell silent or reports a fault, a disk that fills up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.blueprints.accounts.models import User
from app.blueprints.ocpp.models.stations import Charger
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime


class Alert(Base):
    """One event, from when it was noticed to when it was over; open while ``ended_at`` is None."""

    __tablename__ = "alert"
    __table_args__ = (
        # The same trouble is one alert.
        Index(
            "uq_alert_open",
            "key",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_alert_key", "key", "id"),
        Index("ix_alert_charger", "charger_id", "id"),
        CheckConstraint("kind IN ('silent', 'fault', 'disk')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # What it is about: ``silent:<charger>``, ``fault:<charger>:<connector>``, ``disk:<host>:<folder>``.
    key: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(10))
    # None: it is about the installation.
    charger_id: Mapped[int | None] = mapped_column(ForeignKey("charger.id"))
    connector_id: Mapped[int | None]
    # When it began; of trouble that came back soon, when it did so last.
    since: Mapped[Timestamp]
    noticed_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # How often it began, with short pauses.
    times: Mapped[int] = mapped_column(default=1)
    # Error code and what the charger adds; folder and room that is left.
    detail: Mapped[str] = mapped_column(Text, default="")
    mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    acknowledged_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))

    charger: Mapped[Charger | None] = relationship()
    acknowledged_by: Mapped[User | None] = relationship()
