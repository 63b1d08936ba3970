"""How long the exchange with the chargers is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from app.blueprints.ocpp.models import OcppMessage, Refusal
from app.db import UnitOfWork

# Rows in one piece: a long delete would make chargers wait.
PIECE = 2000


def purge_piece(work: UnitOfWork, model: type[OcppMessage] | type[Refusal], before: datetime) -> int:
    """Delete the oldest rows from before that time, at most ``PIECE``; return how many there were.

    Ids rise with time, so the oldest are found without an index on time.
    """
    table: Any = model
    oldest = work.execute(select(table.id, table.at).order_by(table.id).limit(PIECE)).all()
    ids = [id for id, at in oldest if at < before]
    if ids:
        work.execute(delete(table).where(table.id <= max(ids), table.at < before))
    return len(ids)
