"""The live dashboard: every charger as a card or a line of a table, and the whole site above them."""

from __future__ import annotations

from flask import Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import access, clock
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.feeds.chargers import Viewer, feed_of, rows_of, site_now, today_of
from app.blueprints.ocpp.services import overview, site
from app.blueprints.ocpp.services.site import Brief, Choice
from app.blueprints.ocpp.views import alerts, bp, links
from app.clock import utcnow
from app.db import db

# Chargers on a page, unless the address says otherwise: what a phone still scrolls smoothly.
PER_PAGE = 100
# What is asked for beyond this comes on the next page. Python has crashed while it drew a thousand at once.
MOST = 250


@bp.get("/")
@access.allow(access.ANYONE)
def dashboard() -> ResponseReturnValue:
    """Every charger's state; it updates itself through ``events``."""
    if away := refused():
        return away
    choice = forms.chargers(request.args)
    briefs = site.glance(db.session(), dispatch.presence())
    page = _page(choice, briefs, MOST)
    return render_template(
        "ocpp/dashboard.html", page=page, choice=choice, words=words, now=utcnow(),
        view=_view(), view_urls=links.kinds_of_lists(), today_wh=today_of(page.rows),
        all_url=url_for("ocpp.dashboard", view=request.args.get("view")), url_of=links.page_of,
        totals=site.totals(db.session(), briefs, clock.today(current_app.config["TIME_ZONE"])),
        states=overview.STATES, alerts=alerts.for_dashboard(), following=links.query(),
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
        most = forms.MAX_PER_PAGE if choice.located else MOST
        page = _page(choice, site.glance(db.session(), dispatch.presence()), most)
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


def _page(choice: Choice, briefs: list[Brief], most: int) -> overview.Page:
    paging = forms.Paging.parse(request.args, PER_PAGE, most)
    chosen = choice.of(briefs)
    return site.page(db.session(), dispatch.presence(), chosen, page=paging.page, per_page=paging.per_page)


def _view() -> str:
    asked = request.args.get("view", "")
    return "table" if asked == "table" else "cards"
