"""The plots of a driver's own pages: a session's curve, and the energy of the last days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask import current_app, render_template
from flask_babel import to_user_timezone, to_utc

from app import clock, plots
from app.blueprints.accounts.models import Account
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import curves, drivers
from app.blueprints.ocpp.services.curves import Curve
from app.blueprints.ocpp.services.drivers import Period
from app.clock import utcnow
from app.db import db

# Days that are plotted, and how many sessions may be summed up for it.
DAYS = 30
MAX_SUMMED = 1000
# A curve that grows is drawn anew as often as there is something new to see, within these seconds.
MIN_REDRAW_S, MAX_REDRAW_S = 5, 30


@dataclass(frozen=True)
class Drawn:
    """A session's curve, and its picture as HTML."""

    curve: Curve
    html: str
    # Seconds after which it is worth while to ask again; None: it stays as it is.
    next_s: int | None


def curve(transaction: Transaction) -> Drawn:
    """The curve of a session."""
    found = curves.of_session(db.session(), transaction, utcnow())
    html = render_template(
        "ocpp/_curve.html",
        picture=plots.power_curve(found.points, transaction.started_at),
        reckoned=found.reckoned,
        id=f"session-{transaction.id}",
    )
    return Drawn(found, html, _redraw_s(transaction))


def days(account: Account) -> plots.Plot | None:
    """Energy on each of the last days; nothing where there are too many sessions to sum up for a page."""
    today = clock.today(current_app.config["TIME_ZONE"])
    all_days = [today - timedelta(days=number) for number in reversed(range(DAYS))]
    since = to_utc(datetime.combine(all_days[0], time.min)).replace(tzinfo=UTC)
    found = drivers.energies(db.session(), account, Period(since), MAX_SUMMED)
    if found.more:
        return None
    taken_wh = dict.fromkeys(all_days, 0)
    for at, energy_wh in found.rows:
        if (day := to_user_timezone(at).date()) in taken_wh:
            taken_wh[day] += energy_wh
    return plots.energy_per_day(list(taken_wh.items()))


def _redraw_s(transaction: Transaction) -> int | None:
    if transaction.stopped_at is not None:
        return None
    lasted_s = (utcnow() - transaction.received_at).total_seconds()
    return round(min(max(lasted_s / curves.POINTS, MIN_REDRAW_S), MAX_REDRAW_S))
