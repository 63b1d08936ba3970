"""Where pages about chargers lead: to the page of one, to another kind of list of the same."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import current_app, request, url_for

from app import access

# How many chargers can be shown; all but the last are the dashboard's.
KINDS = ("cards", "table", "map")


def page_of(charger_id: str) -> str:
    """What whoever looks may know of a charger: staff see its page, others what its driver sees."""
    who = access.caller()
    if who.is_staff and not who.by_token:
        return url_for("ocpp.charger_page", charger_id=charger_id)
    if "ocpp.landing_page" in current_app.view_functions:
        return url_for("ocpp.landing_page", charger_id=charger_id)
    return ""


def query(**changed: str) -> str:
    """The query of this address, with other values; what is empty is left out."""
    kept = {name: text for name, text in (request.args.to_dict() | changed).items() if text}
    return f"?{urlencode(kept)}" if kept else ""


def kinds_of_lists() -> dict[str, str]:
    """The same chargers, as cards, as a table and on the map."""
    dashboard = url_for("ocpp.dashboard")
    lists = {view: dashboard + query(view=view) for view in KINDS[:-1]}
    return lists | {"map": url_for("ocpp.map") + query(view="", page="", per_page="")}
