"""Meter readings by the million, chosen and told to programs. Read-only.

A list is read in pieces, each by an index and of a bounded length, so that none makes a charger wait: what no
index knows (measurand, transaction) is chosen from a piece, not by the database. A period has no index of its
own, which every reading of the message path would pay for: it is read charger by charger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Float, Select, func, literal, select, tuple_, type_coerce

from app.blueprints.ocpp.models import Charger, MeterReading, Transaction
from app.blueprints.ocpp.services.places import Place
from app.db import UnitOfWork, UTCDateTime
from app.spreadsheets import Turn

Line = list[Any]

# Readings that are read at a time: a few milliseconds' work.
PIECE = 200
# Pieces that are looked through for one page; it may be shorter than asked for, and says where to go on.
MOST_PIECES = 50
COLUMNS = (
    "id", "charger", "connector", "transaction", "at", "measurand", "value", "unit", "context", "phase",
    "location", "format", "raw_value", "raw_unit",
)  # fmt: skip
# The first and the last reading may carry a time outside of their transaction.
MARGIN = timedelta(days=1)

_COLUMNS = select(
    MeterReading.id, MeterReading.charger_id, MeterReading.connector_id, MeterReading.transaction_id,
    MeterReading.at, MeterReading.measurand, type_coerce(MeterReading.value, Float).label("value"),
    MeterReading.unit,
    MeterReading.context, MeterReading.phase, MeterReading.location, MeterReading.format,
    MeterReading.raw_value, MeterReading.raw_unit,
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Which readings; None and empty do not choose. Times are the charger's, ``until`` is excluded."""

    charger: str = ""
    transaction: int | None = None
    measurand: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Walk:
    """A list that is being read: what it chooses, and where it is."""

    choice: Choice
    # The charger whose readings are next, newest first; None: those of all as they came, the last one first.
    charger: int | None
    # Whether other chargers follow.
    goes_on: bool = False
    after: Place | None = None

    def here(self) -> Place:
        """Where it is."""
        return self.after or Place(self.charger or 0, datetime.max.replace(tzinfo=UTC), 0)


def begin(work: UnitOfWork, choice: Choice, after: Place | None = None) -> Walk | None:
    """The list from its start, or from a place; None when there is nothing to read."""
    charger: int | None = None
    if choice.transaction is not None:
        found = work.get(Transaction, choice.transaction) if choice.transaction < 2**31 else None
        if found is None:
            return None
        choice, charger = _within(choice, found), found.charger_id
    if choice.charger:
        named = work.scalar(select(Charger.id).where(Charger.charger_id == choice.charger))
        if named is None or named != (charger or named):
            return None
        charger = named
    if charger is None and (choice.since or choice.until):
        first = after.charger if after else _charger_after(work, -1)
        return None if first is None else Walk(choice, first, goes_on=True, after=after)
    return Walk(choice, charger, after=after)


def piece(work: UnitOfWork, walk: Walk) -> tuple[list[Line], Walk | None]:
    """The next readings, with the columns ``COLUMNS``, and how the list goes on; None: that was all."""
    rows, following = _read(work, walk)
    return _told(work, rows), following


def page(work: UnitOfWork, walk: Walk | None, per_page: int) -> tuple[list[Line], Place | None]:
    """One page, and where the next one begins; None: there is none. Others have their turn meanwhile."""
    rows: list[Any] = []
    turn = Turn()
    for _ in range(MOST_PIECES):
        if walk is None or len(rows) > per_page:
            break
        more, walk = _read(work, walk)
        rows += more
        turn.pass_on()
    if len(rows) > per_page:
        return _told(work, rows[:per_page]), _place(rows[per_page - 1])
    return _told(work, rows), walk.here() if walk else None


def _within(choice: Choice, transaction: Transaction) -> Choice:
    """The choice, within the time of its transaction; where its charger's clock was wrong, at any time."""
    if "clock" in transaction.flags:
        return choice
    since = transaction.started_at - MARGIN
    until = transaction.stopped_at + MARGIN if transaction.stopped_at else None
    return replace(
        choice,
        since=max(since, choice.since or since),
        until=min(until, choice.until or until) if until else choice.until,
    )


def _read(work: UnitOfWork, walk: Walk) -> tuple[list[Any], Walk | None]:
    rows = work.execute(_next(walk).limit(PIECE)).all()
    choice = walk.choice
    chosen = [
        row
        for row in rows
        if choice.transaction in (None, row.transaction_id) and choice.measurand in ("", row.measurand)
    ]
    if len(rows) == PIECE:
        return chosen, replace(walk, after=_place(rows[-1]))
    following = _charger_after(work, walk.charger) if walk.goes_on and walk.charger is not None else None
    return chosen, None if following is None else replace(walk, charger=following, after=None)


def _next(walk: Walk) -> Select[Any]:
    """The question for what follows, by the index that knows it."""
    after, choice = walk.after, walk.choice
    if walk.charger is None:
        chosen = _COLUMNS.order_by(MeterReading.id.desc())
        return chosen.where(MeterReading.id < after.id) if after else chosen
    chosen = _COLUMNS.where(MeterReading.charger_id == walk.charger)
    if after:
        here = tuple_(literal(after.at, UTCDateTime), literal(after.id))
        chosen = chosen.where(MeterReading.at <= after.at, tuple_(MeterReading.at, MeterReading.id) < here)
    if choice.since:
        chosen = chosen.where(MeterReading.at >= choice.since)
    if choice.until:
        chosen = chosen.where(MeterReading.at < choice.until)
    return chosen.order_by(MeterReading.at.desc(), MeterReading.id.desc())


def _charger_after(work: UnitOfWork, charger: int) -> int | None:
    """The next charger that has readings."""
    return work.scalar(select(func.min(MeterReading.charger_id)).where(MeterReading.charger_id > charger))


def _place(row: Any) -> Place:
    return Place(row.charger_id, row.at, row.id)


def _told(work: UnitOfWork, rows: Sequence[Any]) -> list[Line]:
    keys = {row.charger_id for row in rows}
    chosen = select(Charger.id, Charger.charger_id).where(Charger.id.in_(keys))
    names = {key: name for key, name in work.execute(chosen)} if keys else {}
    return [
        [row[0], names[row[1]], row[2], row[3], _time(row[4]), row[5], _number(row[6]), *row[7:]]
        for row in rows
    ]


def _time(at: datetime) -> str:
    """UTC, to the fraction that the charger told."""
    return at.isoformat().replace("+00:00", "Z")


def _number(value: float | None) -> int | float | None:
    return int(value) if value is not None and value == int(value) else value
