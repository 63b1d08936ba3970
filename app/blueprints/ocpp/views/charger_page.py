"""A charger's page for staff: how it stands, what charges, history, configuration and messages; all live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask import current_app, render_template
from flask.typing import ResponseReturnValue

from app import access, clock, plots
from app.blueprints.ocpp import dispatch, words
from app.blueprints.ocpp.command_words import KINDS
from app.blueprints.ocpp.services import configuration, days, message_log, overview
from app.blueprints.ocpp.services.days import Day
from app.blueprints.ocpp.views import bp, my_plots
from app.clock import utcnow
from app.db import db
from app.domain_error import NotFound

# Days of the history; sessions and messages that are shown; curves that are drawn.
DAYS, SESSIONS, MESSAGES, CURVES = 30, 10, 10, 4
# Parts of the page that are asked for again when something has changed.
PARTS = ("state", "figures", "connectors", "sessions", "messages")
# Seconds after which the history is drawn anew.
REDRAW_S = 60
NO_STORE = {"Cache-Control": "no-store"}


@bp.get("/chargers/<charger_id>/page/")
@access.allow(access.STAFF)
def charger_page(charger_id: str) -> str:
    """Everything of one charger; it updates itself through ``charger_parts`` and ``charger_plots``."""
    seen = find(charger_id)
    return render_template(
        "ocpp/charger_page.html", parts=PARTS, kinds=KINDS, plots=_plots(seen),
        keys=configuration.told(seen.charger), **_around(seen),
    )  # fmt: skip


@bp.get("/chargers/<charger_id>/page/parts/")
@access.allow(access.STAFF, json=True)
def charger_parts(charger_id: str) -> ResponseReturnValue:
    """How the parts of a charger's page look now, as HTML."""
    around = _around(find(charger_id))
    return {part: render_template(f"ocpp/charger_page/_{part}.html", **around) for part in PARTS}, NO_STORE


@bp.get("/chargers/<charger_id>/page/plots/")
@access.allow(access.STAFF, json=True)
def charger_plots(charger_id: str) -> ResponseReturnValue:
    """The curves of what charges and the history, as HTML, and after how many seconds to ask again."""
    drawn = _plots(find(charger_id))
    html = render_template("ocpp/charger_page/_plots.html", plots=drawn, words=words)
    return {"html": html, "next_s": drawn["next_s"]}, NO_STORE


def find(charger_id: str) -> overview.Overview:
    """A charger as it stands. Raises ``NotFound``."""
    found = overview.find(db.session(), dispatch.presence(), charger_id)
    if found is None:
        raise NotFound("not found")
    return found


def _around(seen: overview.Overview) -> dict[str, Any]:
    work, charger = db.session(), seen.charger
    return {
        "seen": seen,
        "charger": charger,
        "words": words,
        "now": utcnow(),
        "today_wh": days.energies(work, [charger], _today()).get(charger.charger_id, 0),
        "sessions": overview.last_transactions(work, charger, SESSIONS),
        "messages": message_log.newest(work, charger, limit=MESSAGES),
    }


def _plots(seen: overview.Overview) -> dict[str, Any]:
    curves = [(session, my_plots.curve(session)) for session in seen.running[:CURVES]]
    found = days.last_days(db.session(), seen.charger, _today(), DAYS)
    return {
        "curves": curves,
        "energy": plots.energy_per_day(_each(found, "energy_wh")),
        "sessions": plots.sessions_per_day(_each(found, "sessions")),
        "next_s": min([REDRAW_S, *(drawn.next_s for _, drawn in curves if drawn.next_s)]),
    }


def _each(found: Sequence[Day], name: str) -> list[tuple[date, int]]:
    return [(day.day, getattr(day, name)) for day in found]


def _today() -> date:
    return clock.today(current_app.config["TIME_ZONE"])
