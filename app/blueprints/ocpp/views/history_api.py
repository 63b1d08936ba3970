"""The JSON addresses of what has been: transactions and meter readings, also as CSV of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import current_app, request
from flask.ctx import AppContext
from flask.typing import ResponseReturnValue

from app import access, downloads
from app.blueprints.ocpp import forms, orders
from app.blueprints.ocpp.services import history, readings
from app.blueprints.ocpp.services.places import Place
from app.blueprints.ocpp.views import bp
from app.blueprints.ocpp.views.api import caller_id
from app.db import db
from app.domain_error import NotFound


@bp.get("/transactions/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def transactions_list() -> ResponseReturnValue:
    """List transactions, newest first; as CSV all that the filters choose, or one page of them."""
    chosen, after = forms.choice(request.args), forms.cursor(request.args)
    paging, as_csv = forms.Paging.parse(request.args), forms.wants_csv(request.args)
    if as_csv and not _asks_for_a_page():
        lines = _every_transaction(current_app.app_context, chosen, after)
        return downloads.csv_file("transactions", history.COLUMNS, lines)
    found, more = history.listed(
        db.session(), chosen, after=after, page=paging.page, per_page=paging.per_page
    )
    if as_csv:
        lines = map(history.csv_cells, found)
        return downloads.csv_file("transactions", history.COLUMNS, list(lines))
    return {
        "transactions": [history.told(row) for row in found],
        "page": paging.page,
        "per_page": paging.per_page,
        "more": more,
        "next": str(history.place(found[-1])) if more else None,
    }


@bp.get("/transactions/<int:transaction_id>/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def transaction(transaction_id: int) -> ResponseReturnValue:
    """Tell one transaction."""
    as_csv = forms.wants_csv(request.args)
    found = history.find(db.session(), transaction_id)
    if found is None:
        raise NotFound("not found")
    if as_csv:
        return downloads.csv_file("transactions", history.COLUMNS, [history.csv_cells(found)])
    return history.told(found)


@bp.post("/transactions/<int:transaction_id>/close/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def close_transaction(transaction_id: int) -> ResponseReturnValue:
    """End a transaction whose charger never will, with its last reading."""
    orders.close(caller_id(), transaction_id)
    found = history.find(db.session(), transaction_id)
    assert found is not None  # transactions are never deleted
    return history.told(found)


@bp.get("/readings/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def readings_list() -> ResponseReturnValue:
    """List meter readings, newest first; as CSV all that the filters choose, or one page of them."""
    chosen, after = forms.reading_choice(request.args), forms.cursor(request.args)
    paging, as_csv = forms.Paging.parse(request.args), forms.wants_csv(request.args)
    if as_csv and not _asks_for_a_page():
        lines = _every_reading(current_app.app_context, chosen, after)
        return downloads.csv_file("readings", readings.COLUMNS, lines)
    walk = readings.begin(db.session(), chosen, after)
    found, following = readings.page(db.session(), walk, paging.per_page)
    if as_csv:
        return downloads.csv_file("readings", readings.COLUMNS, found)
    return {
        "readings": [dict(zip(readings.COLUMNS, line, strict=True)) for line in found],
        "per_page": paging.per_page,
        "next": str(following) if following else None,
    }


def _asks_for_a_page() -> bool:
    return any(name in request.args for name in ("page", "per_page"))


def _every_transaction(
    context: Callable[[], AppContext], chosen: history.Choice, after: Place | None
) -> Iterator[list[Any]]:
    """Every chosen transaction, read in pieces; no database connection is kept between them."""
    more = True
    while more:
        with context():
            found, more = history.listed(db.session(), chosen, after=after, per_page=history.CHUNK)
            lines = [history.csv_cells(row) for row in found]
            after = history.place(found[-1]) if more else None
            db.session.remove()
        yield from lines


def _every_reading(
    context: Callable[[], AppContext], chosen: readings.Choice, after: Place | None
) -> Iterator[list[Any]]:
    """Every chosen reading, in the same way."""
    with context():
        walk = readings.begin(db.session(), chosen, after)
        db.session.remove()
    while walk is not None:
        with context():
            lines, walk = readings.piece(db.session(), walk)
            db.session.remove()
        yield from lines
