"""A driver's past sessions as files, for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Flask, Response, current_app, request
from flask_babel import force_locale, get_locale, gettext, to_user_timezone

from app import access, downloads
from app.blueprints.accounts.models import Account
from app.blueprints.ocpp import forms, words
from app.blueprints.ocpp.errors import BadParameter, TooManySessions
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import drivers
from app.blueprints.ocpp.services.drivers import Period
from app.blueprints.ocpp.views import bp, own
from app.clock import utcnow
from app.db import db

# Sessions that an XLSX file may hold.
MAX_XLSX = 5000
# Sessions that are read at a time: a few milliseconds' work.
CHUNK = 50


@bp.get("/my/sessions.csv")
@access.allow(access.USER)
def my_sessions_csv() -> Response:
    """Your past sessions as a CSV file."""
    account, period = own.get_account(), _period()
    return own.private(downloads.csv_file("sessions", _columns(), _lines(account, period)))


@bp.get("/my/sessions.xlsx")
@access.allow(access.USER)
def my_sessions_xlsx() -> Response:
    """Your past sessions as an XLSX file."""
    account, period = own.get_account(), _period()
    if drivers.has_more_sessions_than(db.session(), account, period, MAX_XLSX):
        raise TooManySessions(MAX_XLSX)
    return own.private(downloads.xlsx_file("sessions", _columns(), _lines(account, period)))


def _period() -> Period:
    form = forms.PeriodForm.parse(request.args)
    if form.errors:
        raise BadParameter(next(iter(form.errors.values())))
    return form.period


def _columns() -> list[str]:
    zone = str(to_user_timezone(utcnow()).tzinfo)
    return [
        gettext("Number"), gettext("Charger"), gettext("Name"), gettext("Connector"), gettext("Card"),
        gettext("Start (%(zone)s)", zone=zone), gettext("End (%(zone)s)", zone=zone), gettext("Minutes"),
        gettext("Energy (kWh)"), gettext("Ended because"), gettext("Remarks"),
    ]  # fmt: skip


def _lines(account: Account, period: Period) -> Iterator[list[Any]]:
    """Every session of a period, newest first, for after the request: in its language."""
    db.session.remove()  # a file takes longer than a connection may be kept
    return _read(current_app._get_current_object(), str(get_locale()), account, period)  # type: ignore[attr-defined]


def _read(app: Flask, locale: str, account: Account, period: Period) -> Iterator[list[Any]]:
    """The same, in pieces; no connection is kept between them."""
    before: int | None = None
    while True:
        with app.app_context(), force_locale(locale):
            found = drivers.sessions(db.session(), account, period, before=before, limit=CHUNK)
            lines = [_line(row) for row in found]
            before = found[-1].id if found else None
            db.session.remove()
        yield from lines
        if not found.more:
            return


def _line(row: Transaction) -> list[Any]:
    stopped, length = row.stopped_at, row.length
    return [
        row.id, row.charger.charger_id, row.charger.name, row.connector_id, words.card(row.id_tag),
        _clock(row.started_at), _clock(stopped) if stopped else None,
        None if length is None else max(0, int(length.total_seconds() // 60)),
        row.energy_kwh, words.stop_reason(row.stop_reason), " ".join(words.oddities(row)),
    ]  # fmt: skip


def _clock(at: datetime) -> datetime:
    """A time of the reader's clock, without zone and fractions: spreadsheets know neither."""
    return to_user_timezone(at).replace(tzinfo=None, microsecond=0)
