"""A driver's own pages: balance, what charges now, past sessions, ledger, cars and cards. Nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, current_app, render_template, request
from flask_babel import gettext

from app import access, clock
from app.blueprints.accounts.models import Account
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.feeds import own as my_feed
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import drivers
from app.blueprints.ocpp.views import bp, my_files, my_plots, own
from app.clock import utcnow
from app.db import db

# What the first page shows of each list, and of what charges.
NEWEST = 5
SHOWN = 10
# Curves that the first page draws; the others are on their sessions' pages.
MAX_CURVES = 3
PER_PAGE = 20


@bp.get("/my/")
@access.allow(access.USER)
def my() -> Response:
    """Your balance, what charges now, and your last sessions."""
    account = own.find_account()
    running = my_feed.current(db.session(), [account.id]) if account else []
    page = render_template(
        "ocpp/my.html", words=words, now=utcnow(), shown=SHOWN, account=account, running=running,
        curves={one.transaction.id: my_plots.curve(one.transaction) for one in running[:MAX_CURVES]},
        cards=drivers.cards(db.session(), own.user()), **(_lists(account) if account else {}),
    )  # fmt: skip
    return own.private(page)


def _lists(account: Account) -> dict[str, Any]:
    work = db.session()
    return {
        "days": my_plots.days(account),
        "sessions": drivers.sessions(work, account, limit=NEWEST),
        "credits": drivers.credits(work, account, limit=NEWEST),
        "vehicles": drivers.vehicles(work, account),
    }


@bp.get("/my/sessions/")
@access.allow(access.USER)
def my_sessions() -> Response:
    """Your past sessions, by period, to read and to download."""
    form, account, before = forms.PeriodForm.parse(request.args), own.find_account(), _before()
    found, total = drivers.Some[Transaction]((), False), None
    if account and not form.errors:
        found = drivers.sessions(db.session(), account, form.period, before=before, limit=PER_PAGE)
        total = drivers.total(db.session(), account, form.period, my_plots.MAX_SUMMED)
    page = render_template(
        "ocpp/my_sessions.html", form=form, sessions=found, total=total, before=before, words=words,
        periods=_periods(), most=my_files.MAX_XLSX,
    )  # fmt: skip
    return own.private(page, 400 if form.errors else 200)


@bp.get("/my/credits/")
@access.allow(access.USER)
def my_credits() -> Response:
    """Your credit: every line of the ledger."""
    account, before = own.find_account(), _before()
    found = drivers.credits(db.session(), account, before=before, limit=PER_PAGE) if account else []
    page = render_template("ocpp/my_credits.html", account=account, credits=found, before=before, words=words)
    return own.private(page)


@bp.get("/my/<int:transaction_id>/")
@access.allow(access.USER)
def my_session(transaction_id: int) -> Response:
    """One of your sessions, with its curve."""
    transaction = own.get_session(transaction_id)
    (session,) = drivers.on_outlets([transaction], dispatch.connected({transaction.charger.charger_id}))
    page = render_template(
        "ocpp/my_session.html", session=session, curve=my_plots.curve(transaction), words=words, now=utcnow()
    )
    return own.private(page)


def _before() -> int | None:
    """The last row of the page before."""
    return forms.whole(request.args, "before", 0, lowest=0, highest=2**31 - 1) or None


def _periods() -> list[tuple[str, dict[str, str]]]:
    """Periods that people ask for, and what chooses them."""
    first = clock.today(current_app.config["TIME_ZONE"]).replace(day=1)
    before = first - timedelta(days=1)
    return [
        (gettext("This month"), {"since": first.isoformat()}),
        (gettext("Last month"), {"since": before.replace(day=1).isoformat(), "until": before.isoformat()}),
        (gettext("This year"), {"since": first.replace(month=1).isoformat()}),
        (gettext("All"), {}),
    ]
