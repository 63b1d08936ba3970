"""A charger's landing page, for the driver who scanned its label: its state, start and stop."""

from __future__ import annotations

import logging

from flask import Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from app import access
from app.blueprints.accounts.models import User
from app.blueprints.ocpp import dispatch, driver_orders, forms, landing_words, words
from app.blueprints.ocpp.feeds.chargers import Viewer, feed_of, rows_of, today_of
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import landing, overview
from app.blueprints.ocpp.services.overview import Overview
from app.blueprints.ocpp.views import bp, own
from app.clock import utcnow
from app.db import db, unit_of_work
from app.domain_error import NotFound

log = logging.getLogger(__name__)

MAX_ID = 2**31 - 1


@bp.get("/c/")
@access.allow(access.ANYONE)
def landing_find() -> ResponseReturnValue:
    """Find a charger by the id on its label."""
    charger_id = request.args.get("id", "").strip()
    if charger_id and _find(charger_id) is not None:
        return redirect(url_for("ocpp.landing_page", charger_id=charger_id))
    return _unknown(charger_id)


@bp.get("/c/<path:charger_id>/")
@access.allow(access.ANYONE)
def landing_page(charger_id: str) -> ResponseReturnValue:
    """A charger's state; for whoever is logged in, balance, start and stop. It follows ``landing_events``."""
    seen = _find(charger_id)
    if seen is None:
        return _unknown(charger_id)
    public_url = current_app.config["PUBLIC_URL"]
    if not landing.is_linked(seen.charger, public_url):
        _link(seen.charger.id)
        seen = _get(charger_id)
    who = access.caller()
    standing = None
    if isinstance(who.user, User):
        standing = landing.standing(db.session(), who.user, seen.charger, connected=seen.connected)
    page = render_template(
        "ocpp/landing.html", seen=seen, standing=standing, who=who, free=landing.free(seen),
        obstacle=landing.obstacle_of(seen), words=words, says=landing_words, now=utcnow(),
        address=landing.address(public_url, seen.charger.charger_id),
        is_linked=landing.is_linked(seen.charger, public_url),
        shows_all=current_app.config["PUBLIC_DASHBOARD"] or who.is_staff,
    )  # fmt: skip
    return own.private(page)


@bp.get("/c/<path:charger_id>/status/")
@access.allow(access.ANYONE, json=True)
def landing_status(charger_id: str) -> ResponseReturnValue:
    """Tell a charger's state and its current transaction."""
    seen = _get(charger_id)
    today_wh = today_of([seen]).get(charger_id, 0)
    return landing.told(seen, today_wh), {"Cache-Control": "no-store"}


@bp.get("/c/<path:charger_id>/events/")
@access.allow(access.ANYONE, json=True)
def landing_events(charger_id: str) -> Response:
    """Follow a charger's state."""
    _get(charger_id)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = app.extensions["ocpp"].registry
    viewer = Viewer(lambda: registry.closing)
    return feed_of(app).answer(app, viewer, lambda: viewer.begin(rows_of([_get(charger_id)])))


@bp.route("/c/<path:charger_id>/start/", methods=["GET", "POST"])
@access.allow(access.USER)
def landing_start(charger_id: str) -> ResponseReturnValue:
    """Start charging with a card of your own. Whoever had to log in first comes back by GET."""
    if request.method == "POST":
        connector_id = forms.whole(request.form, "connector_id", 0, lowest=0, highest=MAX_ID) or None
        card_id = forms.whole(request.form, "card", 0, lowest=0, highest=MAX_ID) or None
        _say(driver_orders.start(own.user(), charger_id, card_id=card_id, connector_id=connector_id))
    return redirect(url_for("ocpp.landing_page", charger_id=charger_id), 303)


@bp.route("/c/<path:charger_id>/stop/", methods=["GET", "POST"])
@access.allow(access.USER)
def landing_stop(charger_id: str) -> ResponseReturnValue:
    """Stop a session of your own. Whoever had to log in first comes back by GET."""
    if request.method == "POST":
        transaction_id = forms.whole(request.form, "transaction", 0, lowest=0, highest=MAX_ID)
        _say(driver_orders.stop(own.user(), charger_id, transaction_id))
    return redirect(url_for("ocpp.landing_page", charger_id=charger_id), 303)


def _say(word: str) -> None:
    colour, sentence = landing_words.outcome(word)
    flash(sentence, colour)


def _find(charger_id: str) -> Overview | None:
    return overview.find(db.session(), dispatch.presence_of_one(charger_id), charger_id)


def _get(charger_id: str) -> Overview:
    found = _find(charger_id)
    if found is None:
        raise NotFound("not found")
    return found


def _link(id: int) -> None:
    """Give a charger its QR code; to be shown, it needs none."""
    try:
        with unit_of_work() as work:
            charger = work.get(Charger, id)
            if charger is not None:
                landing.link(work, [charger], current_app.config["PUBLIC_URL"])
    except DBAPIError as error:  # a full disk, a database that can only be read
        log.warning("a charger's QR code is not kept: %s", error.orig)


def _unknown(charger_id: str) -> ResponseReturnValue:
    page = render_template("ocpp/landing_find.html", charger_id=charger_id[:100])
    return page, 404 if charger_id else 200
