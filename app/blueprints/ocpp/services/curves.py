"""Power and energy of one session over its time, from as many readings as a plot can show.

Readings are found by their index (charger, time), and few of them for each point of the plot: a session of a
minute and one of a month cost the same, whatever else its charger has metered meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services.metering import POWER, REGISTER, Total
from app.blueprints.ocpp.statements import Dialogue
from app.db import UnitOfWork

# Points of a curve.
POINTS = 180
# Readings looked at to find a point: those of other connectors and measurands lie between.
EXAMINED = 200
# Readings that a point is made of: power and energy, phase by phase.
SAMPLES = 40
# The first and the last reading may carry a time just outside of their session.
MARGIN = timedelta(minutes=1)

# The session is cut into pieces; each tells the readings of the last moment in it that has any of this
# session. A planner that knows nothing of the table yet, and sorts a piece, still reads no reading twice.
_LAST_OF_EACH_PIECE = """
    SELECT (
        SELECT {list_of}({list}(at, measurand, value, phase, location)) FROM (
            SELECT at, measurand, value, phase, location FROM meter_reading
            WHERE charger_id = ? AND transaction_id = ? AND measurand IN (?, ?) AND at = (
                SELECT near.at FROM (
                    SELECT at, transaction_id, measurand FROM meter_reading
                    WHERE charger_id = ? AND at > piece.since AND at <= piece.until ORDER BY at DESC LIMIT ?
                ) AS near
                WHERE near.transaction_id = ? AND near.measurand IN (?, ?) LIMIT 1
            )
            ORDER BY id LIMIT ?
        ) AS sample
    ) FROM (SELECT {since} AS since, {until} AS until FROM {elements}(?)) AS piece
"""
LAST_OF_EACH_PIECE_SQLITE = _LAST_OF_EACH_PIECE.format(
    list_of="json_group_array", list="json_array", elements="json_each",
    since="json_extract(value, '$[0]')", until="json_extract(value, '$[1]')",
)  # fmt: skip
LAST_OF_EACH_PIECE_POSTGRES = _LAST_OF_EACH_PIECE.format(
    list_of="json_agg", list="json_build_array", elements="json_array_elements",
    since="(value ->> 0)::timestamptz", until="(value ->> 1)::timestamptz",
).replace("(?))", "(?::json))")  # fmt: skip


@dataclass(frozen=True)
class Point:
    """What was metered at one moment; None where that was not told."""

    at: datetime
    power_w: int | None
    energy_wh: int | None


@dataclass(frozen=True)
class Curve:
    """A session over its time, oldest first. ``reckoned``: its charger tells no power, its meter says it."""

    points: Sequence[Point]
    reckoned: bool = False


def of_session(work: UnitOfWork, transaction: Transaction, now: datetime) -> Curve:
    """The curve of a session; of a running one, until ``now``."""
    points = list(_points(Dialogue(work.connection()), transaction, _end(transaction, now)))
    if any(point.power_w is not None for point in points):
        return Curve(points)
    reckoned = _reckoned([Point(transaction.started_at, None, 0), *points])
    return Curve(reckoned, reckoned=bool(reckoned))


def _end(transaction: Transaction, now: datetime) -> datetime:
    """Of a running session: now, by a charger's clock that may be ahead of ours."""
    return transaction.stopped_at or max(now, transaction.started_at + (now - transaction.received_at))


def _edges(since: datetime, until: datetime) -> Iterator[datetime]:
    """The session in pieces of one length, none shorter than a second."""
    length = max(until - since, timedelta(0))
    count = max(1, min(POINTS, int(length.total_seconds())))
    yield since - MARGIN
    yield from (since + length * number / count for number in range(1, count))
    yield since + length + MARGIN


def _points(db: Dialogue, transaction: Transaction, end: datetime) -> Iterator[Point]:
    edges = [str(db.stored(edge)) for edge in _edges(transaction.started_at, end)]
    pieces, measurands = json.dumps(list(pairwise(edges))), (POWER, REGISTER)
    sql = LAST_OF_EACH_PIECE_SQLITE if db.sqlite else LAST_OF_EACH_PIECE_POSTGRES
    charger, own = transaction.charger_id, transaction.id
    parameters = (charger, own, *measurands, charger, EXAMINED, own, *measurands, SAMPLES, pieces)
    for (found,) in db.all(sql, parameters):
        if samples := json.loads(found or "[]") if db.sqlite else found:
            yield _point(transaction, samples)


def _point(transaction: Transaction, samples: Sequence[tuple[str, str, float | None, str, str]]) -> Point:
    totals = {POWER: Total(), REGISTER: Total()}
    for _, measurand, value, phase, location in samples:
        if value is not None:
            totals[measurand].add(phase, location, float(value))
    at = datetime.fromisoformat(samples[0][0])  # SQLite forgets the zone; it is UTC
    power, register = totals[POWER].total(), totals[REGISTER].total()
    return Point(
        at if at.tzinfo else at.replace(tzinfo=UTC),
        None if power is None else round(power),
        None if register is None else max(0, round(register) - transaction.meter_start_wh),
    )


def _reckoned(points: Sequence[Point]) -> list[Point]:
    """Power between two readings of the meter."""
    metered = [(point, point.energy_wh) for point in points if point.energy_wh is not None]
    return [
        replace(point, power_w=max(0, round((energy - energy_before) * 3600 / passed)))
        for (before, energy_before), (point, energy) in pairwise(metered)
        if (passed := (point.at - before.at).total_seconds()) > 0
    ]
