"""Energy and sessions by day, read from running totals: no question here costs more with a longer history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select

from app.blueprints.ocpp.models import Charger, ChargerDay
from app.db import UnitOfWork


@dataclass(frozen=True)
class Day:
    """What was charged on one day."""

    day: date
    energy_wh: int
    sessions: int


def energies(work: UnitOfWork, chargers: Collection[Charger], day: date) -> dict[str, int]:
    """The Wh of one day: charger_id → energy. A charger that delivered nothing is left out."""
    names = {charger.id: charger.charger_id for charger in chargers}
    chosen = select(ChargerDay.charger_id, ChargerDay.energy_wh).where(
        ChargerDay.day == day, ChargerDay.charger_id.in_(list(names))
    )
    return {names[id]: max(0, energy_wh) for id, energy_wh in work.execute(chosen)}


def site_energy(work: UnitOfWork, day: date) -> int:
    """The Wh that all chargers delivered on one day."""
    summed = select(func.sum(ChargerDay.energy_wh)).where(ChargerDay.day == day)
    return max(0, int(work.scalar(summed) or 0))


def last_days(work: UnitOfWork, charger: Charger, today: date, count: int) -> list[Day]:
    """The last ``count`` days of a charger, oldest first, ``today`` the last of them; empty ones too."""
    first = today - timedelta(days=count - 1)
    chosen = select(ChargerDay).where(
        ChargerDay.charger_id == charger.id, ChargerDay.day >= first, ChargerDay.day <= today
    )
    found = {row.day: Day(row.day, max(0, row.energy_wh), row.sessions) for row in work.scalars(chosen)}
    days = (first + timedelta(days=number) for number in range(count))
    return [found.get(day) or Day(day, 0, 0) for day in days]
