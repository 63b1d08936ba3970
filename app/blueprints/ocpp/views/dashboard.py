"""The live dashboard: every charger as a card or a line of a table, and the whole site above them."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from flask import Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import access, clock
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.feeds.chargers import Viewer, feed_of, rows_of, site_now, today_of
from app.blueprints.ocpp.services import lists, overview, site
from app.blueprints.ocpp.services.overview import Overview
from app.blueprints.ocpp.services.site import Choice
from app.blueprints.ocpp.views import alerts, bp, links
from app.clock import utcnow
from app.db import db

# Chargers on a page, unless the address says otherwise: what a phone still scrolls smoothly.
PER_PAGE = 100


@bp.get("/")
@access.allow(access.ANYONE)
def dashboard() -> ResponseReturnValue:
    """Every charger's state; it updates itself through ``events``."""
    if away := refused():
        return away
    choice = forms.chargers(request.args)
    chargers = lists.of_all(db.session(), dispatch.presence())
    page = _page(choice, chargers)
    wrong = alerts.for_dashboard()
    return render_template(
        "ocpp/dashboard.html", page=page, choice=choice, words=_words(), now=utcnow(),
        view=_view(), view_urls=links.kinds_of_lists(), today_wh=today_of(page.rows),
        all_url=url_for("ocpp.dashboard", view=request.args.get("view")), url_of=links.page_of,
        totals=site.totals(db.session(), chargers, clock.today(current_app.config["TIME_ZONE"])),
        states=overview.STATES, alerts=wrong, alerting={alert["charger_id"] for alert in wrong or ()},
        following=links.query(),
    )  # fmt: skip


@bp.get("/events/")
@access.allow(access.ANYONE, json=True)
def events() -> Response:
    """The dashboard's live updates, as server-sent events of one page of chargers."""
    if not may_look():
        raise access.Unauthenticated if access.caller().user is None else access.Forbidden
    choice = forms.chargers(request.args)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = app.extensions["ocpp"].registry
    viewer = Viewer(lambda: registry.closing, choice)

    def begin() -> None:
        page = _page(choice, lists.of_all(db.session(), dispatch.presence()))
        viewer.begin(rows_of(page.rows), site_now(), takes_new=page.pages == 1 and not choice.located)

    return feed_of(app).answer(app, viewer, begin)


def may_look() -> bool:
    """The dashboard is public, or for staff with a login of their own."""
    who = access.caller()
    return current_app.config["PUBLIC_DASHBOARD"] or (who.is_staff and not who.by_token)


def refused() -> ResponseReturnValue | None:
    """Where whoever may not look is sent; None for everybody else. Raises ``Forbidden``."""
    if may_look():
        return None
    if access.caller().user is None:
        return redirect(url_for("login.login", next=request.full_path.rstrip("?")))
    raise access.Forbidden


def _page(choice: Choice, chargers: list[Overview]) -> overview.Page:
    paging = forms.Paging.parse(request.args, PER_PAGE)
    return overview.Page.of(choice.of(chargers), paging.page, paging.per_page)


def _words() -> Any:
    """``words`` for one page: what is said of many chargers is worked out once."""
    said = {
        name: cache(getattr(words, name)) for name in ("state", "status", "colour", "power", "energy", "ago")
    }
    return SimpleNamespace(**said, count=words.count, for_scripts=words.for_scripts)


def _view() -> str:
    asked = request.args.get("view", "")
    return "table" if asked == "table" else "cards"
