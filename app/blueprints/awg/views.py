"""The HTTP endpoints of awg."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue

from app import access
from app.access import ANYONE
from app.blueprints import Domain
from app.blueprints.awg import cli, forms, services, tables, words
from app.blueprints.awg.errors import BadQuestion
from app.blueprints.awg.forms import Question
from app.blueprints.awg.models import CableSize, ConduitFill
from app.db import db
from app.domain_error import DomainError

bp = Domain("awg", __name__)

# What a row tells of itself as it stands.
MEASURES = (
    "awg_size", "material", "line_num", "dia_in", "dia_mm", "area_kcmil", "area_mm2", "k_ohm_km", "k_ohm_kft",
    "amps_60c", "amps_75c", "amps_90c",
)  # fmt: skip


@bp.get("/")
@access.allow(ANYONE)
def index() -> ResponseReturnValue:
    """Find the cable that a load needs; the tables of wire gauges, ampacity and conduits."""
    answer, refusal = None, None
    try:
        if any(name in request.args for name in (*forms.NUMBERS, *forms.CHOICES)):
            answer = services.calculate(db.session(), Question.parse(request.args))
    except DomainError as error:
        refusal = error
    page = render_template(
        "awg/index.html",
        given=forms.DEFAULTS | request.args.to_dict(),
        answer=answer,
        refusal=refusal,
        problems=refusal.problems if isinstance(refusal, BadQuestion) else {},
        cables=services.all_cables(db.session()),
        conduits=services.all_conduits(db.session()),
        forms=forms,
        tables=tables,
        words=words,
    )
    return page, refusal.status_code if refusal else 200


@bp.get("/calculator/")
@access.allow(ANYONE, json=True)
def calculator() -> ResponseReturnValue:
    """Find the cable that a load needs."""
    answer = services.calculate(db.session(), Question.parse(request.args))
    return {
        "question": answer.question.as_json(),
        "cable": _cable(answer.cable),
        "temperature": answer.question.column,
        "amps": answer.amps,
        "drop_v": round(answer.drop_v, 3),
        "drop_percent": round(answer.drop_percent, 3),
        "end_v": round(answer.end_v, 3),
        "conductors": answer.conductors,
        "conduits": dict(answer.conduits),
    }


@bp.get("/cables/")
@access.allow(ANYONE, json=True)
def cables() -> ResponseReturnValue:
    """List the table of cables."""
    return {"cables": [_cable(row) for row in services.all_cables(db.session())]}


@bp.get("/conduits/")
@access.allow(ANYONE, json=True)
def conduits() -> ResponseReturnValue:
    """List how many conductors of each size fit into each conduit."""
    return {"conduits": [_conduit(row) for row in services.all_conduits(db.session())]}


def _cable(row: CableSize) -> dict[str, Any]:
    return {"size": row.size_name} | {name: getattr(row, name) for name in MEASURES}


def _conduit(row: ConduitFill) -> dict[str, Any]:
    fill = {tables.fill_column(size): row.holds(size) for size in tables.SIZES}
    return {"conduit": row.conduit, "trade_size": row.trade_size} | fill


def init_app(app: Flask) -> None:
    """Hang up the commands."""
    cli.init_app(app)
