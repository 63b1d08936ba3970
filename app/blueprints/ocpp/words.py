"""The words and colours in which pages tell a charger's state; templates and scripts take them from here."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from flask_babel import (
    format_date,
    format_datetime,
    format_decimal,
    format_time,
    format_timedelta,
    gettext,
    to_user_timezone,
)

from app.blueprints.accounts.models import RFID
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services.overview import Outlet
from app.blueprints.ocpp.vocabulary import COLOURS, ODDITIES, REASONS, STATES, STATUSES, STOP_REASONS
from app.clock import utcnow

if TYPE_CHECKING:
    from app.blueprints.ocpp.models import Alert, Charger

_STATES_OF_STATUSES = {
    "SuspendedEV": "suspended",
    "SuspendedEVSE": "suspended",
}


def state(name: str) -> str:
    """A charger's state."""
    return str(STATES[name])


def status(name: str) -> str:
    """A connector's status; a charger's own word where the standard has none."""
    if not name:
        return gettext("not told yet")
    return str(STATUSES.get(name, name))


def reason(name: str) -> str:
    """Why a tag was refused."""
    return str(REASONS.get(name, name))


def oddities(transaction: Transaction) -> list[str]:
    """What was odd about a session, in sentences for its driver."""
    found = [str(ODDITIES[flag]) for flag in transaction.flags.split() if flag in ODDITIES]
    if transaction.refused:
        why = reason(transaction.refused)
        if not transaction.energy_wh:
            return [gettext("It did not begin: %(reason)s.", reason=why)]
        charged = gettext("It was refused (%(reason)s), but the charger charged all the same.", reason=why)
        found.insert(0, charged)
    return list(dict.fromkeys(found))


def stop_reason(name: str) -> str:
    """Why a session ended; a charger's own word where the standard has none."""
    return str(STOP_REASONS.get(name, name))


def duration(span: timedelta | None) -> str:
    """``1 h 05 min``; empty when it cannot be told."""
    if span is None or span < timedelta(0):
        return ""
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return f"{format_decimal(hours)} h {minutes:02} min" if hours else f"{minutes} min"


def lasted(since: datetime) -> str:
    """How long something has been going on, by a clock that may be ahead of ours."""
    return duration(max(utcnow() - since, timedelta(0)))


def outlet(outlet: Outlet) -> str:
    """What a driver reads of an outlet: its status, unless its charger is offline."""
    return status(outlet.status) if outlet.connected else state("offline")


def card(id_tag: str) -> str:
    """A card, so that its owner knows which: whoever reads all of a tag could charge with it."""
    return f"…{id_tag[-4:]}" if id_tag else ""


def card_state(card: RFID) -> tuple[bool, str]:
    """Whether a card may charge, as far as it alone decides, and how that is called."""
    if not card.allowed:
        return False, gettext("blocked")
    if card.expires_at is None:
        return True, gettext("valid")
    valid = card.expires_at > utcnow()
    word = (
        gettext("valid until %(day)s", day=day(card.expires_at))
        if valid
        else gettext("expired on %(day)s", day=day(card.expires_at))
    )
    return valid, word


def alert(row: Alert) -> str:
    """What is wrong, in one sentence."""
    words = {"charger": _named(row.charger), "time": moment(row.since), "detail": row.detail}
    if row.kind == "silent":
        return gettext("%(charger)s has not been heard of since %(time)s", **words)
    if row.kind == "disk":
        return gettext("little room is left on a disk: %(detail)s", **words)
    words["detail"] = row.detail or status("Faulted")
    if not row.connector_id:
        return gettext("%(charger)s reports a fault since %(time)s: %(detail)s", **words)
    return gettext(
        "%(charger)s, connector %(number)d, reports a fault since %(time)s: %(detail)s",
        number=row.connector_id, **words,
    )  # fmt: skip


def _named(charger: Charger | None) -> str:
    """Name and id: several chargers may have one name."""
    if charger is None:
        return ""
    return f"{charger.name} ({charger.charger_id})" if charger.name else charger.charger_id


def colour(name: str) -> str:
    """The colour of a state, or of a connector's status."""
    return COLOURS.get(_STATES_OF_STATUSES.get(name, name.lower()), "secondary")


def power(power_w: int | None) -> str:
    """``7.4 kW``; empty when nothing is drawn."""
    return "" if power_w is None else f"{_thousandth(power_w, 1)} kW"


def energy(energy_wh: int | None) -> str:
    """``12.35 kWh``; empty when nothing is charged."""
    return "" if energy_wh is None else f"{_thousandth(energy_wh, 2)} kWh"


def place(latitude: Decimal, longitude: Decimal) -> str:
    """``25.6866, −100.3161``."""
    return ", ".join(str(format_decimal(part.normalize(), "#,##0.0#####")) for part in (latitude, longitude))


def number(value: Decimal | None) -> str:
    """A reading, without zeros that say nothing."""
    return "" if value is None else str(format_decimal(value.normalize()))


def _thousandth(number: int, digits: int) -> str:
    """Rounded as browsers round: halves away from zero."""
    step = Decimal(1).scaleb(-digits)
    return str(format_decimal((Decimal(number) / 1000).quantize(step, ROUND_HALF_UP)))


def movement(amount_kwh: Decimal) -> str:
    """``+12.5 kWh``: a line of the ledger."""
    return f"{'+' if amount_kwh > 0 else ''}{format_decimal(amount_kwh)} kWh"


def count(number: int) -> str:
    """A whole number."""
    return str(format_decimal(number))


def ago(at: datetime | None) -> str:
    """``3 minutes ago``."""
    if at is None:
        return gettext("never")
    passed = utcnow() - at
    if passed.total_seconds() < 5:
        return gettext("just now")
    return format_timedelta(-passed, add_direction=True)


def moment(at: datetime | None) -> str:
    """``23 Nov 2026, 05:49:36``, in the zone of the pages; empty when it never was."""
    return "" if at is None else str(format_datetime(at, "medium"))


def minute(at: datetime | None) -> str:
    """``23 Nov 2026, 05:49``, in the zone of the pages."""
    return "" if at is None else f"{format_date(at, 'medium')}, {format_time(at, 'short')}"


def beside(at: datetime, other: datetime) -> str:
    """The same, without the day where that is the day of ``other``."""
    same = to_user_timezone(at).date() == to_user_timezone(other).date()
    return str(format_time(at, "short")) if same else minute(at)


def day(at: datetime | None) -> str:
    """``23 Nov 2026``, in the zone of the pages."""
    return "" if at is None else str(format_date(at, "medium"))


def for_scripts() -> dict[str, object]:
    """What the dashboard's script says, in the language of the page."""
    return {
        "states": {name: str(word) for name, word in STATES.items()},
        "colours": COLOURS,
        "statuses": {name: str(word) for name, word in STATUSES.items()},
        "statusColours": {name: colour(name) for name in STATUSES},
        "notTold": gettext("not told yet"),
        "never": gettext("never"),
        "justNow": gettext("just now"),
        "connector": gettext("Connector"),
        "connectedOf": gettext("%(connected)s of %(all)s", connected="CONNECTED", all="ALL"),
    }
