"""The pages of ocpp: the live dashboard, and a charger's log."""

from __future__ import annotations

from flask import Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import access
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.feeds.chargers import Viewer, feed_of, rows_of
from app.blueprints.ocpp.services import message_log, overview
from app.blueprints.ocpp.views import alerts, bp
from app.clock import utcnow
from app.db import db
from app.domain_error import NotFound

# Messages that the log page shows at a time.
LOG_LENGTH = 200


@bp.get("/")
@access.allow(access.ANYONE)
def dashboard() -> ResponseReturnValue:
    """Every charger's state; it updates itself through ``events``."""
    if not _may_look():
        if access.caller().user is None:
            return redirect(url_for("login.login", next=request.full_path.rstrip("?")))
        raise access.Forbidden
    query = forms.search_text(request.args)
    return render_template(
        "ocpp/dashboard.html", page=_page(query), query=query, words=words, now=utcnow(),
        alerts=alerts.for_dashboard(),
    )  # fmt: skip


@bp.get("/events/")
@access.allow(access.ANYONE, json=True)
def events() -> Response:
    """The dashboard's live updates, as server-sent events of one page of chargers."""
    if not _may_look():
        raise access.Unauthenticated if access.caller().user is None else access.Forbidden
    query = forms.search_text(request.args)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    registry = app.extensions["ocpp"].registry
    viewer = Viewer(query, closing=lambda: registry.closing)

    def begin() -> None:
        page = _page(query)
        viewer.begin(rows_of(page.rows), takes_new=page.pages == 1)

    return feed_of(app).answer(app, viewer, begin)


@bp.get("/log/<charger_id>/")
@access.allow(access.STAFF)
def log(charger_id: str) -> str:
    """The stored exchange with a charger, newest last; it follows the exchange through ``log_news``."""
    seen = _get(charger_id)
    query = forms.search_text(request.args)
    before = forms.whole(request.args, "before", 0, lowest=0, highest=2**62) or None
    newest_id = message_log.newest_id(db.session(), seen.charger)
    messages = message_log.newest(db.session(), seen.charger, query=query, before=before, limit=LOG_LENGTH)
    return render_template(
        "ocpp/log.html", seen=seen, messages=messages, query=query, before=before, words=words,
        after=max([newest_id, *(message.id for message in messages)]),
        has_older=len(messages) == LOG_LENGTH,
    )  # fmt: skip


@bp.get("/log/<charger_id>/news/")
@access.allow(access.STAFF, json=True)
def log_news(charger_id: str) -> ResponseReturnValue:
    """What has been said since the message ``after``."""
    charger = _get(charger_id).charger
    after = forms.whole(request.args, "after", 0, lowest=0, highest=2**62)
    query = forms.search_text(request.args)
    newest_id = message_log.newest_id(db.session(), charger)
    messages = message_log.since(db.session(), charger, after=after, query=query)
    # What does not match the query is not searched again.
    after = messages[-1].id if len(messages) == message_log.LINES else max(newest_id, after)
    return {
        "after": max([after, *(message.id for message in messages)]),
        "messages": [
            {"id": message.id, "html": render_template("ocpp/_message.html", message=message, words=words)}
            for message in messages
        ],
    }


def _may_look() -> bool:
    """The dashboard is public, or for staff with a login of their own."""
    who = access.caller()
    return current_app.config["PUBLIC_DASHBOARD"] or (who.is_staff and not who.by_token)


def _page(query: str) -> overview.Page:
    paging = forms.Paging.parse(request.args)
    presence = dispatch.presence()
    return overview.paged(db.session(), presence, page=paging.page, per_page=paging.per_page, query=query)


def _get(charger_id: str) -> overview.Overview:
    found = overview.find(db.session(), dispatch.presence(), charger_id)
    if found is None:
        raise NotFound("not found")
    return found
