"""A charger as it stands, and no history: the rules of its state, and one charger read whole.

Read-only; many chargers at once are read by ``lists``. Who is connected is told by the caller: the rules do
not know the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Select, or_, select

from app.blueprints.ocpp.models import Charger, Connector, Transaction
from app.db import UnitOfWork

# A charger's state is the first of these that one of its connectors is in (OCPP 1.6, 7.7).
_BY_URGENCY = (
    ("Faulted", "faulted"),
    ("Charging", "charging"),
    ("SuspendedEV", "suspended"),
    ("SuspendedEVSE", "suspended"),
    ("Finishing", "finishing"),
    ("Preparing", "preparing"),
    ("Available", "available"),
    ("Reserved", "reserved"),
    ("Unavailable", "unavailable"),
)
STATES = (
    *dict.fromkeys(state for _, state in _BY_URGENCY),
    "connected", "offline", "blocked", "pending", "rejected",
)  # fmt: skip
# Which transactions run. A refused start does only if the charger charges all the same.
RUNNING = (Transaction.stopped_at.is_(None), or_(Transaction.refused == "", Transaction.energy_wh > 0))
_DRAWING = ("Charging", "SuspendedEV", "SuspendedEVSE")


class Presence(Protocol):
    """What the line knows of a connected charger."""

    @property
    def since(self) -> datetime:
        """When its socket was opened."""


@dataclass(frozen=True)
class Outlet:
    """One connector, with the transaction that runs on it."""

    connector_id: int
    row: Connector | None
    running: Transaction | None
    connected: bool

    @property
    def status(self) -> str:
        """The charger's word for it; empty while it has not said."""
        return self.row.status if self.row else ""

    @property
    def power_w(self) -> int | None:
        """The newest power reading, as long as somebody may be drawing it."""
        if self.row is None or not self.connected:
            return None
        return self.row.power_w if self.running or self.status in _DRAWING else None

    @property
    def energy_wh(self) -> int | None:
        """What the running transaction has taken so far."""
        return self.running.energy_wh if self.running else None


@dataclass(frozen=True)
class Overview:
    """One charger as lists and the dashboard show it.

    Its parts are rows of the models, or plain rows of the columns that a list needs (``lists.Columns``).
    """

    charger: Charger
    connected_since: datetime | None
    # Newest first; several connectors may charge at once.
    running: Sequence[Transaction]
    # By number.
    connectors: Sequence[Connector]

    @classmethod
    def of(
        cls,
        charger: Charger,
        present: Presence | None,
        running: Sequence[Transaction],
        connectors: Sequence[Connector],
    ) -> Overview:
        """A charger, connected or not."""
        return cls(charger, present.since if present else None, running, connectors)

    @property
    def connected(self) -> bool:
        """Whether its socket is open, in any process."""
        return self.connected_since is not None

    @property
    def is_located(self) -> bool:
        """Whether it can be shown on a map."""
        return self.charger.latitude is not None and self.charger.longitude is not None

    @cached_property
    def outlets(self) -> list[Outlet]:
        """Its connectors by number; 0 (the charger as a whole) is not one of them."""
        rows = {row.connector_id: row for row in self.connectors}
        running = {transaction.connector_id: transaction for transaction in reversed(self.running)}
        numbers = sorted({*rows, *running} - {0})
        return [Outlet(number, rows.get(number), running.get(number), self.connected) for number in numbers]

    @cached_property
    def power_w(self) -> int | None:
        """What all connectors draw now; the charger's own meter where only that one tells."""
        outlets = self.outlets
        told = [outlet.power_w for outlet in outlets if outlet.power_w is not None]
        if told:
            return sum(told)
        whole = next((row for row in self.connectors if row.connector_id == 0), None)
        return whole.power_w if whole and self.connected and self.running else None

    @property
    def energy_wh(self) -> int | None:
        """What the running transactions have taken so far."""
        return sum(transaction.energy_wh for transaction in self.running) if self.running else None

    @cached_property
    def state(self) -> str:
        """One of ``STATES``."""
        charger = self.charger
        if charger.blocked:
            return "blocked"
        if not self.connected:
            return "offline"
        if charger.registration_status != "Accepted":
            return charger.registration_status.lower()
        return self._state_of_connectors()

    def _state_of_connectors(self) -> str:
        rows = {row.connector_id: row.status for row in self.connectors if row.status}
        whole = rows.pop(0, "")
        if whole in ("Faulted", "Unavailable"):
            return whole.lower()
        statuses = {*rows.values(), "Charging"} if self.running and not rows else set(rows.values())
        return next((state for status, state in _BY_URGENCY if status in statuses), "connected")


@dataclass(frozen=True)
class Page:
    """Some of many chargers, in the order of their ids; pages count from 1."""

    rows: Sequence[Overview]
    page: int
    per_page: int
    total: int

    @classmethod
    def of(cls, chargers: Sequence[Overview], page: int, per_page: int) -> Page:
        """A page of these."""
        return cls(chargers[(page - 1) * per_page : page * per_page], page, per_page, len(chargers))

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.total // self.per_page))

    @property
    def has_prev(self) -> bool:
        """Whether a page comes before."""
        return self.page > 1

    @property
    def has_next(self) -> bool:
        """Whether a page comes after."""
        return self.page < self.pages


def find(work: UnitOfWork, presence: Mapping[str, Presence], charger_id: str) -> Overview | None:
    """One charger by the id that it connects with, whole."""
    if "\0" in charger_id:
        return None
    charger = work.scalar(select(Charger).where(Charger.charger_id == charger_id))
    return of(work, presence, charger) if charger else None


def of(work: UnitOfWork, presence: Mapping[str, Presence], charger: Charger) -> Overview:
    """One charger."""
    running = select(Transaction).where(Transaction.charger_id == charger.id, *RUNNING)
    present = presence.get(charger.charger_id)
    newest_first = running.order_by(Transaction.id.desc())
    return Overview.of(charger, present, work.scalars(newest_first).all(), charger.connectors)


def last_transactions(work: UnitOfWork, charger: Charger, limit: int = 20) -> Sequence[Transaction]:
    """A charger's newest transactions, newest first."""
    chosen = select(Transaction).where(Transaction.charger_id == charger.id)
    return work.scalars(chosen.order_by(Transaction.id.desc()).limit(limit)).all()


def public(overview: Overview, today_wh: int) -> dict[str, Any]:
    """What anyone may see: never id tags, accounts, addresses or messages. ``today_wh``: delivered today."""
    charger = overview.charger
    return {
        "charger_id": charger.charger_id,
        "name": charger.name,
        "state": overview.state,
        "connected": overview.connected,
        "last_seen": iso(charger.last_seen),
        "power_w": overview.power_w,
        "energy_kwh": kwh(overview.energy_wh),
        "energy_today_kwh": kwh(today_wh),
        "connectors": [
            {
                "connector_id": outlet.connector_id,
                "status": outlet.status,
                "power_w": outlet.power_w,
                "energy_kwh": kwh(outlet.energy_wh),
            }
            for outlet in overview.outlets
        ],
    }


def iso(at: datetime | None) -> str | None:
    """A time as JSON tells it: UTC, ending in Z."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def kwh(energy_wh: int | None) -> float | None:
    """Watt-hours as kilowatt-hours, as JSON tells them."""
    return None if energy_wh is None else energy_wh / 1000


def matching(chosen: Select[Any], query: str) -> Select[Any]:
    """Those whose id or name contains ``query``."""
    if not query:
        return chosen
    return chosen.where(
        or_(
            Charger.charger_id.icontains(query, autoescape=True),
            Charger.name.icontains(query, autoescape=True),
        )
    )
