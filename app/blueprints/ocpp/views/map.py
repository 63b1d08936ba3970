"""The map of the chargers that have coordinates, and the same as a list."""

from __future__ import annotations

from flask import current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import access, clock, maps
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.services import lists, overview, site
from app.blueprints.ocpp.views import bp, links
from app.blueprints.ocpp.views.dashboard import refused
from app.db import db

# Chargers on one map; the others are on the next.
PER_PAGE = 1000


@bp.get("/map/", endpoint="map")
@access.allow(access.ANYONE)
def charger_map() -> ResponseReturnValue:
    """Where the chargers are, coloured by their state; it updates itself through ``events``."""
    if away := refused():
        return away
    choice = forms.chargers(request.args.to_dict() | {"located": "1"})
    paging = forms.Paging.parse(request.args, PER_PAGE)
    chargers = lists.of_all(db.session(), dispatch.presence())
    page = render_template(
        "ocpp/map.html", page=overview.Page.of(choice.of(chargers), paging.page, paging.per_page),
        totals=site.totals(db.session(), chargers, clock.today(current_app.config["TIME_ZONE"])),
        choice=choice, is_empty=not any(one.is_located for one in chargers), words=words,
        states=overview.STATES, view="map", view_urls=links.kinds_of_lists(), all_url=url_for("ocpp.map"),
        url_of=links.page_of, centre=maps.CENTRE, tiles=maps.tiles_url(),
        following=links.query(located="1", per_page=str(paging.per_page), view=""),
    )  # fmt: skip
    return maps.show_tiles(make_response(page))
