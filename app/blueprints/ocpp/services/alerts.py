"""Alerts: which there must be, when they begin and end, and which somebody is to be told of by mail.

What is wrong is read from the rows as they stand: it does not matter when, or how often, somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import joinedload

from app.blueprints.ocpp.models import Alert, Charger, Connector
from app.db import UnitOfWork
from app.disk import Room

SILENT, FAULT, DISK = "silent", "fault", "disk"
# Alerts that begin or end in one transaction: a long one would make chargers wait.
PIECE = 500
# Trouble that comes back so soon is the same event.
AGAIN = timedelta(hours=1)
# Of the same event nobody is told by mail more often.
MAIL_AGAIN = timedelta(hours=1)
# Between two mails: what happens meanwhile goes into the next.
MAIL_PAUSE = timedelta(minutes=5)
# A fault that passes by itself is not worth a mail.
FAULT_GRACE = timedelta(minutes=2)
# How long alerts that are over are kept.
KEPT = timedelta(days=365)
OPEN = Alert.ended_at.is_(None)


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now."""

    key: str
    kind: str
    since: datetime
    charger_id: int | None = None
    connector_id: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Changes:
    """From the open alerts to what is wrong now."""

    begin: Sequence[Trouble]
    # Ids of alerts.
    end: Sequence[int]
    # Ids, and what they shall say.
    reword: Sequence[tuple[int, str]]


def silent_chargers(work: UnitOfWork, before: datetime) -> list[Trouble]:
    """Chargers that were heard of, but not since ``before``; blocked and rejected ones shall be silent."""
    chosen = select(Charger.id, Charger.last_seen).where(
        Charger.last_seen < before, Charger.blocked.is_(False), Charger.registration_status != "Rejected"
    )
    return [
        Trouble(f"{SILENT}:{id}", SILENT, since or before, charger_id=id)
        for id, since in work.execute(chosen.order_by(Charger.id))
    ]


def faults(work: UnitOfWork, now: datetime) -> list[Trouble]:
    """Connectors whose newest status is Faulted."""
    chosen = select(Connector).join(Charger).where(Connector.status == "Faulted", Charger.blocked.is_(False))
    return [
        Trouble(
            f"{FAULT}:{row.charger_id}:{row.connector_id}", FAULT, row.since or now,
            row.charger_id, row.connector_id, _fault(row),
        )
        for row in work.scalars(chosen.order_by(Connector.id))
    ]  # fmt: skip


def low_disks(host: str, rooms: Iterable[Room], now: datetime) -> list[Trouble]:
    """Disks of a machine that will be full soon."""
    gib = 1024**3
    return [
        Trouble(
            f"{DISK}:{host}:{room.folder}"[:300], DISK, now,
            detail=f"{host}, {room.folder}: {room.free_bytes / gib:.1f} / {room.total_bytes / gib:.0f} GiB",
        )
        for room in rooms
        if room.is_low
    ]  # fmt: skip


def compare(work: UnitOfWork, about: str, found: Sequence[Trouble]) -> Changes:
    """What must change until the open alerts of what ``about`` begins are what was found. Only reads."""
    chosen = select(Alert.id, Alert.key, Alert.detail).where(
        OPEN, Alert.key.startswith(about, autoescape=True)
    )
    rows = work.execute(chosen).all()
    alive, wanted = {key for _, key, _ in rows}, {trouble.key: trouble for trouble in found}
    return Changes(
        begin=[trouble for trouble in found if trouble.key not in alive],
        end=[id for id, key, _ in rows if key not in wanted],
        reword=[
            (id, wanted[key].detail)
            for id, key, detail in rows
            if key in wanted and wanted[key].detail != detail
        ],
    )


def begin(work: UnitOfWork, new: Sequence[Trouble], now: datetime) -> None:
    """Open alerts; one that ended a moment ago goes on."""
    chosen = select(Alert).where(Alert.key.in_([trouble.key for trouble in new]))
    recent = chosen.where(or_(OPEN, Alert.ended_at > now - AGAIN)).order_by(Alert.id)
    before = {row.key: row for row in work.scalars(recent)}
    for trouble in new:
        row = before.get(trouble.key)
        if row is None:
            row = Alert(
                key=trouble.key, kind=trouble.kind, charger_id=trouble.charger_id,
                connector_id=trouble.connector_id, times=0,
            )  # fmt: skip
            work.add(row)
        elif row.ended_at is None:  # somebody else has just opened it
            continue
        row.since, row.noticed_at, row.detail, row.times = trouble.since, now, trouble.detail, row.times + 1
        row.ended_at = row.acknowledged_at = row.acknowledged_by_id = None


def end(work: UnitOfWork, ids: Sequence[int], now: datetime) -> None:
    """Close alerts: it is over."""
    work.execute(update(Alert).where(Alert.id.in_(ids), OPEN).values(ended_at=now))


def reword(work: UnitOfWork, details: Sequence[tuple[int, str]]) -> None:
    """What is wrong has changed a little."""
    for id, detail in details:
        work.execute(update(Alert).where(Alert.id == id).values(detail=detail))


def to_mail(work: UnitOfWork, now: datetime) -> Sequence[Alert]:
    """Open alerts that somebody is to be told of now: all in one mail, and not too often."""
    if (last := work.scalar(select(func.max(Alert.mailed_at)))) is not None and last > now - MAIL_PAUSE:
        return []
    is_new = or_(
        Alert.mailed_at.is_(None),
        (Alert.mailed_at < Alert.noticed_at) & (Alert.mailed_at <= now - MAIL_AGAIN),
    )
    is_lasting = or_(Alert.kind != FAULT, Alert.noticed_at <= now - FAULT_GRACE)
    chosen = select(Alert).where(OPEN, Alert.acknowledged_at.is_(None), is_new, is_lasting)
    return work.scalars(chosen.options(joinedload(Alert.charger)).order_by(Alert.since, Alert.id)).all()


def shown(work: UnitOfWork, limit: int) -> Sequence[Alert]:
    """Open alerts that nobody has acknowledged, newest first."""
    chosen = select(Alert).where(OPEN, Alert.acknowledged_at.is_(None))
    newest = chosen.options(joinedload(Alert.charger)).order_by(Alert.noticed_at.desc(), Alert.id.desc())
    return work.scalars(newest.limit(limit)).all()


def count_open(work: UnitOfWork) -> dict[str, int]:
    """How many alerts of each kind are open."""
    found = work.execute(select(Alert.kind, func.count()).where(OPEN).group_by(Alert.kind)).all()
    return {kind: 0 for kind in (SILENT, FAULT, DISK)} | {kind: count for kind, count in found}


def forget(work: UnitOfWork, now: datetime) -> int:
    """Delete alerts that have been over for long; return how many."""
    gone = delete(Alert).where(Alert.ended_at < now - KEPT).returning(Alert.id)
    return len(work.execute(gone).all())


def _fault(row: Connector) -> str:
    told = [row.error_code if row.error_code != "NoError" else "", row.vendor_error_code, row.info]
    return " · ".join(part for part in told if part)[:500]
