"""The cells of the simulators' list that say how a simulator does, on the page and for its script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import g, render_template
from markupsafe import Markup
from sqlalchemy import select

from app.blueprints.ocpp import simulator_words, words
from app.blueprints.ocpp.models import Charger, Simulator
from app.blueprints.ocpp.services import simulators
from app.clock import utcnow
from app.db import db

CELLS = ("state", "energy", "links")


class Seen:
    """What the rows of a page need to be shown, read once for all of them."""

    def __init__(self, rows: Iterable[Simulator]) -> None:
        work = db.session()
        ids = {row.charger_id for row in rows}
        self.now = utcnow()
        self.worker_runs = simulators.any_held(work)
        known = select(Charger.charger_id).where(Charger.charger_id.in_(ids))
        self.chargers = frozenset(work.scalars(known))

    def state(self, row: Simulator) -> str:
        """The state to show."""
        return simulators.shown(row, self.now, worker_runs=self.worker_runs)


def see(rows: Iterable[Simulator]) -> None:
    """These are the rows of this request's page."""
    g.simulators_seen = Seen(rows)


def _seen(row: Simulator) -> Seen:
    if "simulators_seen" not in g:
        see([row])
    seen: Seen = g.simulators_seen
    return seen


def cell(_view: Any, _context: Any, row: Simulator, name: str) -> Markup:
    """A cell that the page's script keeps up to date."""
    return Markup('<div data-simulator="{}" data-cell="{}">{}</div>').format(row.id, name, inner(row, name))


def path(view: Any, context: Any, row: Simulator, _name: str) -> Markup:
    """Where it connects, and what is to be seen of it there."""
    return Markup("{}{}").format(row.cp_path, cell(view, context, row, "links"))


def inner(row: Simulator, name: str) -> Markup:
    """What such a cell holds now."""
    seen = _seen(row)
    state = seen.state(row)
    shown = render_template(
        f"ocpp/admin/_simulator_{name}.html", row=row, state=state, words=words, says=simulator_words,
        is_well=state in simulator_words.WELL, is_known=row.charger_id in seen.chargers,
    )  # fmt: skip
    return Markup(shown)  # noqa: S704 - escaped by the template


def control(_view: Any, _context: Any, row: Simulator, _name: str) -> Markup:
    """The buttons of a row."""
    return Markup(render_template("ocpp/admin/_simulator_control.html", row=row))  # noqa: S704 - escaped there
