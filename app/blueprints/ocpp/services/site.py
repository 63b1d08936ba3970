"""Every charger of the site at a glance: which are in what state, and what all of them draw and delivered.

Read-only: three statements of plain columns whatever the number of chargers, and no history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import or_, select

from app.blueprints.ocpp.models import Charger, Connector, Transaction
from app.blueprints.ocpp.services import days
from app.blueprints.ocpp.services.overview import Overview, Page, Presence, kwh, of_ids
from app.db import UnitOfWork


@dataclass(frozen=True)
class Brief:
    """What a list or a map needs of one charger."""

    charger_id: str
    name: str
    state: str
    connected: bool
    power_w: int | None
    latitude: Decimal | None
    longitude: Decimal | None

    @property
    def is_located(self) -> bool:
        """Whether it can be shown on a map."""
        return self.latitude is not None and self.longitude is not None


@dataclass(frozen=True)
class Choice:
    """Which chargers somebody wants to see; what is empty does not choose."""

    # Part of the id or the name.
    query: str = ""
    # One of overview.STATES.
    state: str = ""
    connected: bool | None = None
    # Only chargers with coordinates.
    located: bool = False
    # Exactly this id.
    charger_id: str = ""

    def __bool__(self) -> bool:
        return bool(self.query or self.state or self.connected is not None)

    def takes(self, searched: str, state: str, connected: bool) -> bool:
        """Whether a charger is one of them. ``searched``: its id, and after a line break its name."""
        return (
            self.charger_id in ("", searched.partition("\n")[0])
            and self.query.casefold() in searched.casefold()
            and self.state in ("", state)
            and self.connected in (None, connected)
        )

    def of(self, briefs: Sequence[Brief]) -> list[Brief]:
        """Those of them."""
        return [
            brief for brief in briefs
            if self.takes(f"{brief.charger_id}\n{brief.name}", brief.state, brief.connected)
            and (brief.is_located or not self.located)
        ]  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """The whole site now."""

    chargers: int
    connected: int
    charging: int
    power_w: int
    today_wh: int
    # State → how many chargers are in it.
    states: Mapping[str, int] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {
            "chargers": self.chargers,
            "connected": self.connected,
            "charging": self.charging,
            "power_w": self.power_w,
            "energy_today_kwh": kwh(self.today_wh),
        }


@dataclass
class _Seen:
    """The columns of a charger that its state follows from."""

    blocked: bool
    registration_status: str
    connectors: Sequence[Any]


def glance(work: UnitOfWork, presence: Mapping[str, Presence]) -> list[Brief]:
    """Every charger, in the order of the ids."""
    connectors = _by_charger(
        work, select(Connector.charger_id, Connector.connector_id, Connector.status, Connector.power_w)
    )
    running = _by_charger(
        work,
        select(Transaction.charger_id, Transaction.connector_id, Transaction.energy_wh)
        .where(Transaction.stopped_at.is_(None))
        .where(or_(Transaction.refused == "", Transaction.energy_wh > 0))
        .order_by(Transaction.id.desc()),
    )
    columns = (
        Charger.id, Charger.charger_id, Charger.name, Charger.blocked, Charger.registration_status,
        Charger.latitude, Charger.longitude,
    )  # fmt: skip
    found = [
        _brief(row, presence.get(row.charger_id), connectors.get(row.id, []), running.get(row.id, []))
        for row in work.execute(select(*columns))
    ]
    return sorted(found, key=lambda brief: brief.charger_id)


def _by_charger(work: UnitOfWork, chosen: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in work.execute(chosen):
        found.setdefault(row.charger_id, []).append(row)
    return found


def _brief(row: Any, present: Presence | None, connectors: list[Any], running: list[Any]) -> Brief:
    """The rules of ``Overview``, on plain columns, which are read much faster than rows of the models."""
    seen = _Seen(row.blocked, row.registration_status, connectors)
    overview = Overview(cast("Charger", seen), present.since if present else None, running)
    return Brief(
        row.charger_id, row.name, overview.state, overview.connected, overview.power_w,
        row.latitude, row.longitude,
    )  # fmt: skip


def totals(work: UnitOfWork, briefs: Sequence[Brief], today: date) -> Totals:
    """What all of them come to."""
    states = Counter(brief.state for brief in briefs)
    return Totals(
        chargers=len(briefs),
        connected=sum(brief.connected for brief in briefs),
        charging=states["charging"],
        power_w=sum(brief.power_w or 0 for brief in briefs),
        today_wh=days.site_energy(work, today),
        states=states,
    )


def page(
    work: UnitOfWork, presence: Mapping[str, Presence], briefs: Sequence[Brief], *, page: int, per_page: int
) -> Page:
    """One page of chargers, whole; pages count from 1."""
    ids = [brief.charger_id for brief in briefs[(page - 1) * per_page : page * per_page]]
    found = {row.charger.charger_id: row for row in of_ids(work, presence, ids)} if ids else {}
    return Page([found[id] for id in ids if id in found], page, per_page, len(briefs))
