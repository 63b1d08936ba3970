"""Many chargers at once, for lists: plain columns, no rows of the models, which cost several times as much.

Read-only, and no history. Every function takes a constant number of queries, whatever the number of chargers.
Who is connected is told by the caller: the rules do not know the line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select

from app.blueprints.ocpp.models import Charger, Connector, Transaction
from app.blueprints.ocpp.services.overview import RUNNING, Overview, Page, Presence, matching
from app.db import UnitOfWork


@dataclass(frozen=True)
class Columns:
    """What is read of chargers, of their connectors, and of what runs there."""

    charger: Sequence[Any]
    connector: Sequence[Any]
    transaction: Sequence[Any]


# What cards, tables and maps show.
SHOWN = Columns(
    (Charger.id, Charger.charger_id, Charger.name, Charger.blocked, Charger.registration_status,
     Charger.last_seen, Charger.latitude, Charger.longitude),
    (Connector.charger_id, Connector.connector_id, Connector.status, Connector.power_w),
    (Transaction.charger_id, Transaction.connector_id, Transaction.energy_wh),
)  # fmt: skip
# What the API tells (contract, section 3).
TOLD = Columns(
    (*SHOWN.charger, Charger.config, Charger.require_rfid, Charger.last_heartbeat, Charger.last_meter_values,
     Charger.vendor, Charger.model, Charger.serial_number, Charger.firmware_version),
    (*SHOWN.connector, Connector.error_code, Connector.info, Connector.since, Connector.meter_wh),
    (*SHOWN.transaction, Transaction.id, Transaction.id_tag, Transaction.meter_start_wh,
     Transaction.meter_stop_wh, Transaction.started_at, Transaction.stopped_at, Transaction.refused),
)  # fmt: skip


def of_all(work: UnitOfWork, presence: Mapping[str, Presence]) -> list[Overview]:
    """Every charger, in the order of the ids."""
    found = _overviews(work, presence, SHOWN, work.execute(select(*SHOWN.charger)).all(), None)
    return sorted(found, key=lambda one: one.charger.charger_id)


def of_ids(work: UnitOfWork, presence: Mapping[str, Presence], charger_ids: Iterable[str]) -> list[Overview]:
    """The named chargers, as far as they exist."""
    chosen = select(*SHOWN.charger).where(Charger.charger_id.in_(list(charger_ids)))
    rows = work.execute(chosen).all()
    return _overviews(work, presence, SHOWN, rows, [row.id for row in rows])


def paged(
    work: UnitOfWork, presence: Mapping[str, Presence], *, page: int, per_page: int, query: str = ""
) -> Page:
    """One page of chargers whose id or name contains ``query``, with what the API tells; from 1."""
    total = work.scalar(matching(select(func.count(Charger.id)), query)) or 0
    chosen = matching(select(*TOLD.charger), query).order_by(Charger.charger_id)
    rows = work.execute(chosen.limit(per_page).offset((page - 1) * per_page)).all()
    return Page(_overviews(work, presence, TOLD, rows, [row.id for row in rows]), page, per_page, total)


def newest_transactions(work: UnitOfWork, overviews: Sequence[Overview]) -> dict[int, Transaction]:
    """The newest transaction of each charger, as the API tells it, by the charger's primary key."""
    if not overviews:
        return {}
    newest: ColumnElement[int] = (
        select(Transaction.id)
        .where(Transaction.charger_id == Charger.id)
        .order_by(Transaction.id.desc())
        .limit(1)
        .correlate(Charger)
        .scalar_subquery()
    )
    ids = select(newest).where(Charger.id.in_([overview.charger.id for overview in overviews]))
    chosen = select(*TOLD.transaction).where(Transaction.id.in_(ids))
    return {row.charger_id: cast("Transaction", row) for row in work.execute(chosen)}


def _overviews(
    work: UnitOfWork,
    presence: Mapping[str, Presence],
    columns: Columns,
    rows: Sequence[Any],
    ids: Collection[int] | None,
) -> list[Overview]:
    """Chargers with their connectors and what runs there. ``ids``: theirs; None when they are all."""
    connectors = select(*columns.connector).order_by(Connector.connector_id)
    running = select(*columns.transaction).where(*RUNNING).order_by(Transaction.id.desc())
    if ids is not None:
        connectors = connectors.where(Connector.charger_id.in_(ids))
        running = running.where(Transaction.charger_id.in_(ids))
    outlets, sessions = _by_charger(work, connectors), _by_charger(work, running)
    return [
        Overview.of(
            cast("Charger", row),
            presence.get(row.charger_id),
            sessions.get(row.id, ()),
            outlets.get(row.id, ()),
        )
        for row in rows
    ]


def _by_charger(work: UnitOfWork, chosen: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in work.execute(chosen):
        found.setdefault(row.charger_id, []).append(row)
    return found
