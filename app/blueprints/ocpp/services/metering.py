"""Sampled values (OCPP 1.6, 7.43): what they mean, where they are kept, what they say of a transaction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.blueprints.ocpp.rows import ChargerRow, TransactionRow
from app.blueprints.ocpp.services.moments import credible, read_moment
from app.blueprints.ocpp.work import Work

REGISTER = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
# Connector numbers beyond this are a charger's mistake; they are served, but get no row of their own.
MAX_CONNECTOR_ID = 255
THOUSANDS = {"kWh": "Wh", "kW": "W", "kvarh": "varh", "kVA": "VA", "kvar": "var"}
# Base units; more does not fit the column, and no meter counts so far.
MAX_VALUE = 1e15


@dataclass(slots=True)
class Newest:
    """What a message says of now."""

    register_wh: int | None = None
    power_w: int | None = None
    at: datetime | None = None

    def learn(self, at: datetime, register_wh: float | None, power_w: float | None) -> None:
        """Take what was measured then, unless newer values are known."""
        if (register_wh is None and power_w is None) or (self.at is not None and at < self.at):
            return
        self.at = at
        self.register_wh = self.register_wh if register_wh is None else round(register_wh)
        self.power_w = self.power_w if power_w is None else round(power_w)


class Total:
    """The total of a measurand: as told, at the outlet rather than elsewhere; else the sum of its phases."""

    __slots__ = ("_at_outlet", "_phases", "_told")

    def __init__(self) -> None:
        self._told: float | None = None
        self._at_outlet = False
        self._phases: dict[str, float] | None = None

    def add(self, phase: str, location: str, value: float) -> None:
        """One sampled value."""
        if phase:
            self._phases = {**(self._phases or {}), phase[:2]: value}
        elif location == "Outlet" or not self._at_outlet:
            self._told, self._at_outlet = value, location == "Outlet"

    def total(self) -> float | None:
        """None where nothing was told."""
        return self._told if self._told is not None or not self._phases else sum(self._phases.values())


def record(
    work: Work,
    charger: ChargerRow,
    connector_id: int,
    transaction: TransactionRow | None,
    meter_values: Iterable[Any],
) -> Newest:
    """Store every sampled value as a reading, and return the newest register and power."""
    newest = Newest()
    transaction_id = transaction.id if transaction else None
    for element in meter_values:
        moment = read_moment(element.get("timestamp"), work.now)
        stored_at = work.db.stored(moment.at)
        sums = {REGISTER: Total(), POWER: Total()}
        for sample in element.get("sampledValue") or ():
            measurand, value, row = _reading(sample)
            work.add("reading", (charger.id, connector_id, transaction_id, stored_at, *row))
            if value is not None and measurand in sums:
                sums[measurand].add(row[_PHASE], row[_LOCATION], value)
        newest.learn(credible(moment, work.now), sums[REGISTER].total(), sums[POWER].total())
    return newest


def show(work: Work, charger: ChargerRow, connector_id: int, newest: Newest) -> None:
    """Keep the newest values where a dashboard finds them without history. Without a time they are of now."""
    if (newest.register_wh is None and newest.power_w is None) or not 0 <= connector_id <= MAX_CONNECTOR_ID:
        return
    key, power, register = (charger.id, connector_id), newest.power_w, newest.register_wh
    work.put("measured", key, (*key, power, register, work.db.stored(newest.at), "", "", "", "", ""))
    work.changed(charger.charger_id)


def advance(work: Work, transaction: TransactionRow, register_wh: int, at: datetime) -> None:
    """The meter of a running transaction had moved by then: its energy so far, and its account's."""
    if register_wh < transaction.last_wh:
        transaction.flag("meter_backwards")
        return
    transaction.meter_last_wh = register_wh
    set_energy(work, transaction, register_wh - transaction.meter_start_wh, at)


def set_energy(work: Work, transaction: TransactionRow, energy_wh: int, at: datetime) -> None:
    """Set a transaction's energy (never negative); change its account's total and its day's by as much."""
    energy_wh = max(0, energy_wh)
    if not (more_wh := energy_wh - transaction.energy_wh):
        return
    if transaction.account_id is not None:
        work.spend(transaction.account_id, more_wh)
    work.deliver(transaction.charger_id, at, more_wh)
    transaction.energy_wh = energy_wh


# Where a reading's columns (below) have them.
_PHASE, _LOCATION = 4, 5


def _reading(sample: dict[str, Any]) -> tuple[str, float | None, tuple[Any, ...]]:
    """(measurand, number, columns): defaults filled in, kWh and kW made Wh and W, the original kept."""
    get = sample.get
    raw = get("value", "")
    measurand, form = get("measurand", REGISTER), get("format", "Raw")
    unit = get("unit") or ("Wh" if measurand.startswith("Energy") else "")
    value = _number(raw, 1000 if unit in THOUSANDS else 1) if form == "Raw" else None
    raw_value = raw_unit = None
    if value is None:
        raw_value = str(raw)
    elif unit in THOUSANDS:
        raw_value, raw_unit, unit = str(raw), unit, THOUSANDS[unit]
    return measurand, value, (
        measurand, value, unit, get("context", "Sample.Periodic"), get("phase", ""),
        get("location", "Outlet"), form, raw_value, raw_unit,
    )  # fmt: skip


def _number(text: Any, factor: int) -> float | None:
    try:
        value = float(text) * factor
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and abs(value) < MAX_VALUE else None
