"""The exchange with the chargers, kept for MESSAGE_RETENTION_DAYS."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.blueprints.ocpp.models.charging import BigId
from app.blueprints.ocpp.models.stations import Charger
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime


class OcppMessage(Base):
    """One question and its answer, as they went over the line.

    ``direction`` is ``in`` for the charger's CALL and our answer, ``out`` for ours and the charger's.
    """

    __tablename__ = "ocpp_message"
    __table_args__ = (Index("ix_ocpp_message_charger", "charger_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    charger_id: Mapped[int] = mapped_column(ForeignKey("charger.id"))
    direction: Mapped[str] = mapped_column(String(3))
    at: Mapped[Timestamp] = mapped_column(default=utcnow)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    action: Mapped[str] = mapped_column(Text, default="")
    message_id: Mapped[str] = mapped_column(Text, default="")
    # The frames as text; secrets are masked.
    request: Mapped[str] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    # CALLERROR code of the answer, if it was one.
    error_code: Mapped[str] = mapped_column(String(40), default="")
    # What lenient validation let pass, one per line.
    deviations: Mapped[str] = mapped_column(Text, default="")

    charger: Mapped[Charger] = relationship()
