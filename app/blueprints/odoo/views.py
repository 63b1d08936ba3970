"""The HTTP endpoints of odoo."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app import access
from app.blueprints import Domain
from app.blueprints.odoo import client, services
from app.blueprints.odoo.errors import WRONG_PASSWORD, CheckFailed, InvalidCredentials
from app.db import db, unit_of_work

bp = Domain("odoo", __name__)


@bp.route("/test/<int:instance_id>/", methods=["GET", "POST"])
@access.allow(access.STAFF_OR_TOKEN, json=True)
def test(instance_id: int) -> ResponseReturnValue:
    """Log in at an Odoo server, and tell how that went."""
    login = services.login_of(services.get_instance(db.session(), instance_id))
    db.session.remove()  # nothing holds a connection while the server thinks
    report = client.check(login)
    with unit_of_work() as work:
        services.record(work, instance_id, report)
    if report.outcome == WRONG_PASSWORD:
        raise InvalidCredentials
    if not report.is_ok:
        raise CheckFailed(report.outcome, report.fact)
    return {"detail": "success"}
