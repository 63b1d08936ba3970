"""Transactions that nobody will end: their charger has gone, or their connector has long been free.

They are ended with their last reading, and only for now: the charger's own stop, however late, still counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select

from app.blueprints.ocpp.models import Charger, Connector, MeterReading, Transaction
from app.blueprints.ocpp.services import transactions
from app.blueprints.ocpp.services.metering import REGISTER
from app.blueprints.ocpp.work import Work
from app.db import UnitOfWork
from app.domain_error import DomainError

# Transactions that are ended in one transaction of the database.
PIECE = 50
# A connector that has been free for so long charges nobody; a stop that was on its way has arrived.
FREE = timedelta(hours=1)

# Transaction → when it ended, as far as anybody can tell.
Stale = tuple[int, datetime]


def of_silent_chargers(work: UnitOfWork, before: datetime) -> list[Stale]:
    """Running transactions of chargers that have not been heard of since ``before``."""
    chosen = select(Transaction.id, Transaction.received_at, Charger.last_seen).join(Charger)
    silent = or_(Charger.last_seen < before, Charger.last_seen.is_(None))
    rows = work.execute(chosen.where(_running(), silent, Transaction.received_at < before))
    return [(id, last_seen or received_at) for id, received_at, last_seen in rows]


def of_free_connectors(work: UnitOfWork, now: datetime) -> list[Stale]:
    """Running transactions on connectors that became free after the start, and where nothing flows."""
    chosen = select(Transaction.id, Connector.charger_id, Connector.connector_id, Connector.since).join(
        Connector,
        (Connector.charger_id == Transaction.charger_id)
        & (Connector.connector_id == Transaction.connector_id),
    )
    is_free = (Connector.status == "Available") & (Connector.since < now - FREE)
    began_before = (Connector.since > Transaction.started_at) & (Transaction.received_at < now - FREE)
    rows = work.execute(chosen.where(_running(), is_free, began_before)).all()
    return [
        (id, since)
        for id, charger, connector, since in rows
        if since is not None and not _flows(work, charger, connector, since)
    ]


def close(work: Work, stale: Sequence[Stale]) -> int:
    """End them; return how many there were. One that has stopped meanwhile is left alone."""
    ended = 0
    for id, at in stale:
        try:
            transactions.close(work, id, at=at, word="stale")
            ended += 1
        except DomainError:
            continue
    return ended


def _running() -> ColumnElement[bool]:
    return Transaction.stopped_at.is_(None)


def _flows(work: UnitOfWork, charger: int, connector: int, since: datetime) -> bool:
    """Whether the connector's meter has moved since."""
    read = select(func.min(MeterReading.value), func.max(MeterReading.value)).where(
        MeterReading.charger_id == charger, MeterReading.at >= since, MeterReading.connector_id == connector,
        MeterReading.measurand == REGISTER, MeterReading.phase == "",
    )  # fmt: skip
    lowest, highest = work.execute(read).one()
    return bool(lowest != highest)
