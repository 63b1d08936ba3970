"""A driver's own account in JSON: how it stands, as a stream or asked for, and the curves of its sessions."""

from __future__ import annotations

from flask import Response, current_app
from flask.typing import ResponseReturnValue

from app import access
from app.blueprints.ocpp.feeds import own as my_feed
from app.blueprints.ocpp.services import drivers
from app.blueprints.ocpp.services.overview import iso, kwh
from app.blueprints.ocpp.views import bp, my_plots, own
from app.db import db

NO_STORE = {"Cache-Control": "no-store"}


@bp.get("/my/state/")
@access.allow(access.USER, json=True)
def my_state() -> ResponseReturnValue:
    """Tell your balance, and what charges now."""
    account = own.find_account()
    running = my_feed.current(db.session(), [account.id]) if account else []
    return drivers.told(account, running), NO_STORE


@bp.get("/my/events/")
@access.allow(access.USER, json=True)
def my_events() -> Response:
    """Follow your balance, and what charges now."""
    user, account = own.user(), own.get_account()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = app.extensions["ocpp"].registry
    key = None if access.caller().by_token else user.session_key
    watch = my_feed.Watch(account.id, key, closing=lambda: registry.closing)

    def begin() -> None:
        watch.begin(my_feed.state_of(account, my_feed.current(db.session(), [account.id])))

    return my_feed.watchers_of(app).answer(app, watch, begin)


@bp.get("/my/<int:transaction_id>/curve/")
@access.allow(access.USER, json=True)
def my_curve(transaction_id: int) -> ResponseReturnValue:
    """Tell the power and energy of one of your sessions over its time."""
    transaction = own.get_session(transaction_id)
    drawn = my_plots.curve(transaction)
    told = {
        "id": transaction.id,
        "points": [
            {"at": iso(point.at), "power_w": point.power_w, "energy_kwh": kwh(point.energy_wh)}
            for point in drawn.curve.points
        ],
        "reckoned": drawn.curve.reckoned,
        "html": drawn.html,
        "next_s": drawn.next_s,
    }
    return told, NO_STORE
