"""Open alerts for staff: as JSON, and as the dashboard shows them."""

from __future__ import annotations

from typing import Any

from flask.typing import ResponseReturnValue

from app import access
from app.blueprints.ocpp import words
from app.blueprints.ocpp.models import Alert
from app.blueprints.ocpp.services import alerts
from app.blueprints.ocpp.services.overview import iso
from app.blueprints.ocpp.views import bp
from app.db import db

# Alerts that are told at once; the administration has them all.
MOST = 200


@bp.get("/alerts/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def alerts_list() -> ResponseReturnValue:
    """List what is wrong now and nobody has acknowledged, newest first."""
    found = alerts.shown(db.session(), MOST)
    counts = alerts.count_open(db.session())
    return {"alerts": [told(row) for row in found], "open": counts}, 200, {"Cache-Control": "no-store"}


def for_dashboard() -> list[dict[str, Any]] | None:
    """The same for staff with a login of their own; None for everybody else."""
    who = access.caller()
    if not who.is_staff or who.by_token:
        return None
    return [told(row) for row in alerts.shown(db.session(), MOST)]


def told(row: Alert) -> dict[str, Any]:
    """An alert, in the reader's language."""
    return {
        "id": row.id,
        "kind": row.kind,
        "charger_id": row.charger.charger_id if row.charger else None,
        "connector_id": row.connector_id,
        "since": iso(row.since),
        "detail": row.detail,
        "text": words.alert(row),
    }
