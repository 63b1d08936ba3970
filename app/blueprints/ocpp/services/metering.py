"""Sampled values: what they mean, where they are kept, and what they say of a running transaction (OCPP 1.6, 7.43)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.blueprints.ocpp.rows import ChargerRow, TransactionRow
from app.blueprints.ocpp.services.moments import read_moment
from app.blueprints.ocpp.work import Work

REGISTER = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
# Connector numbers beyond this are a charger's mistake; they are served, but get no row of their own.
MAX_CONNECTOR_ID = 255
THOUSANDS = {"kWh": "Wh", "kW": "W", "kvarh": "varh", "kVA": "VA", "kvar": "var"}
MAX_VALUE = 1e15


@dataclass(slots=True)
class Newest:
    """What a message says of now."""

    register_wh: int | None = None
    power_w: int | None = None
    at: datetime | None = None


def record(
    work: Work, charger: ChargerRow, connector_id: int, transaction: TransactionRow | None, meter_values: Iterable[Any]
) -> Newest:
    """Store every sampled value as a reading, and return the newest register and power."""
    newest = Newest()
    transaction_id = transaction.id if transaction else None
    for element in meter_values:
        if not isinstance(element, dict):
            continue
        at = read_moment(element.get("timestamp"), work.now).at
        stored_at = work.db.stored(at)
        phases: list[float] = []
        for sample in element.get("sampledValue") or ():
            measurand, phase, value, row = _reading(sample)
            work.add("reading", (charger.id, connector_id, transaction_id, stored_at, *row))
            if value is None:
                continue
            newest.at = at
            if measurand == REGISTER and not phase:
                newest.register_wh = round(value)
            elif measurand == POWER:
                if phase:
                    phases.append(value)
                else:
                    newest.power_w, phases = round(value), []
        if phases:
            newest.power_w = round(sum(phases))
    return newest


def show(work: Work, charger: ChargerRow, connector_id: int, newest: Newest) -> None:
    """Keep the newest values where a dashboard finds them without history."""
    if newest.at is None or not 0 <= connector_id <= MAX_CONNECTOR_ID:
        return
    power, register = newest.power_w, newest.register_wh
    work.put(
        "measured",
        (charger.id, connector_id),
        (charger.id, connector_id, power, register, work.db.stored(newest.at), "", "", "", "", ""),
    )
    work.changed.add(charger.charger_id)


def advance(work: Work, transaction: TransactionRow, register_wh: int) -> None:
    """The meter of a running transaction has moved: its energy so far, and its account's."""
    if register_wh < (transaction.meter_last_wh or transaction.meter_start_wh):
        transaction.flag("meter_backwards")
        return
    transaction.meter_last_wh = register_wh
    set_energy(work, transaction, register_wh - transaction.meter_start_wh)


def set_energy(work: Work, transaction: TransactionRow, energy_wh: int) -> None:
    """Set a transaction's energy (never negative) and change its account's total by the difference."""
    energy_wh = max(0, energy_wh)
    if transaction.account_id is not None and energy_wh != transaction.energy_wh:
        work.spend(transaction.account_id, energy_wh - transaction.energy_wh)
    transaction.energy_wh = energy_wh


def _reading(sample: dict[str, Any]) -> tuple[str, str, float | None, tuple[Any, ...]]:
    """(measurand, phase, number, columns): defaults filled in, kWh and kW made Wh and W, the original kept."""
    get = sample.get
    raw = get("value", "")
    measurand, phase, form = get("measurand", REGISTER), get("phase", ""), get("format", "Raw")
    unit = get("unit") or ("Wh" if measurand.startswith("Energy.Active") else "")
    value = _number(raw) if form == "Raw" else None
    raw_value = raw_unit = None
    if value is None:
        raw_value = str(raw)
    elif unit in THOUSANDS:
        raw_value, raw_unit = str(raw), unit
        value, unit = value * 1000, THOUSANDS[unit]
    return measurand, phase, value, (
        measurand, value, unit, get("context", "Sample.Periodic"), phase, get("location", "Outlet"), form,
        raw_value, raw_unit,
    )  # fmt: skip


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and abs(value) < MAX_VALUE else None
