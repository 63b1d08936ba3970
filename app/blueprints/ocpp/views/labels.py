"""Labels with QR codes for chargers, for staff to print and stick on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import current_app, render_template, request
from flask_babel import lazy_gettext
from sqlalchemy import func, select

from app import access
from app.blueprints.ocpp import forms
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import landing, overview
from app.blueprints.ocpp.views import bp
from app.db import db, unit_of_work

# Labels of a page: a few sheets of paper.
PER_PAGE = 60
# Chargers that may be chosen one by one: as many as an address holds.
MAX_CHOSEN = 500
# size → (name, pixels of its picture on the screen); paper is measured in ocpp-labels.css.
SIZES = {
    "small": (lazy_gettext("Small: 24 on a sheet"), 96),
    "medium": (lazy_gettext("Medium: 8 on a sheet"), 170),
    "large": (lazy_gettext("Large: 2 on a sheet"), 340),
}


@bp.get("/labels/")
@access.allow(access.STAFF)
def labels() -> str:
    """Labels with QR codes for chargers, to print."""
    query, ids = forms.search_text(request.args), _ids(request.args.getlist("id"))
    size = request.args.get("size", "")
    size = size if size in SIZES else "medium"
    paging = forms.Paging.parse(request.args, PER_PAGE)
    chosen = landing.chosen(select(Charger), ids, query)
    total = db.session.scalar(landing.chosen(select(func.count(Charger.id)), ids, query)) or 0
    page = overview.Page((), paging.page, min(paging.per_page, PER_PAGE), total)
    part = chosen.order_by(Charger.charger_id).limit(page.per_page).offset((page.page - 1) * page.per_page)
    return render_template(
        "ocpp/labels.html", chargers=_linked(part), page=page, query=query, ids=ids, size=size, sizes=SIZES
    )


def _linked(chosen: Any) -> Sequence[Charger]:
    """Chargers, each with a QR code that leads to where its landing page is now."""
    public_url = current_app.config["PUBLIC_URL"]
    found = landing.with_links(db.session(), chosen)
    if all(landing.is_linked(charger, public_url) for charger in found):
        return found
    with unit_of_work() as work:
        landing.link(work, landing.with_links(work, chosen), public_url)
    return landing.with_links(db.session(), chosen)


def _ids(given: Sequence[str]) -> list[int]:
    return [int(id) for id in given[:MAX_CHOSEN] if id.isascii() and id.isdecimal() and len(id) < 10]
