"""The whole site: which of its chargers somebody wants to see, and what all of them draw and delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from app.blueprints.ocpp.services import days
from app.blueprints.ocpp.services.overview import Overview, kwh
from app.db import UnitOfWork


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

    def of(self, chargers: Sequence[Overview]) -> list[Overview]:
        """Those of them."""
        return [one for one in chargers if self._takes(one) and (one.is_located or not self.located)]

    def _takes(self, one: Overview) -> bool:
        return self.takes(f"{one.charger.charger_id}\n{one.charger.name}", one.state, one.connected)


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


def totals(work: UnitOfWork, chargers: Sequence[Overview], today: date) -> Totals:
    """What all of them come to."""
    states = Counter(one.state for one in chargers)
    return Totals(
        chargers=len(chargers),
        connected=sum(one.connected for one in chargers),
        charging=states["charging"],
        power_w=sum(one.power_w or 0 for one in chargers),
        today_wh=days.site_energy(work, today),
        states=states,
    )
