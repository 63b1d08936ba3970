"""What needs rules and line together: command, then record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select

from app.blueprints.ocpp import commands
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.errors import NoTransaction
from app.blueprints.ocpp.models import Charger, Transaction
from app.db import db


def perform(charger_id: str, body: Mapping[str, Any]) -> Answer:
    """Carry out an action's body (contract §3) on a charger and return its answer.

    ``remote_stop`` without a parameter stops the running transaction. Raises the errors of ``errors``.
    """
    action, payload, timeout_s = commands.read(body)
    if action == "RemoteStopTransaction" and not payload and "payload" not in body:
        payload = {"transactionId": _running(charger_id)}
    return commands.send(charger_id, action, payload, timeout_s)


def _running(charger_id: str) -> int:
    found = db.session.scalar(
        select(Transaction.id)
        .join(Charger)
        .where(Charger.charger_id == charger_id, Transaction.stopped_at.is_(None))
        .where(or_(Transaction.refused == "", Transaction.energy_wh > 0))
        .order_by(Transaction.id.desc())
        .limit(1)
    )
    db.session.remove()  # nothing holds a connection while the charger thinks
    if found is None:
        raise NoTransaction
    return int(found)
