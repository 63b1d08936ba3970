"""What people order, carried out and remembered with who ordered it: commands, ends of transactions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.ocpp import journal, operations
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.services import configuration, transactions
from app.db import db, unit_of_work
from app.domain_error import DomainError

# Longest text of a parameter that the audit trail keeps.
MAX_TEXT = 200


def give(user_id: int, charger_id: str, asked: Mapping[str, Any]) -> Answer:
    """Send a command and return the charger's answer. Takes as long as the charger does.

    Raises what ``operations.perform`` raises. What was sent is in the audit trail, whatever came of it.
    """
    db.session.remove()  # nobody keeps a database connection while a charger thinks
    try:
        answer = operations.perform(charger_id, dict(asked))
    except DomainError as refusal:
        if refusal.status_code in (502, 504):  # it was sent; the charger refused, or said nothing
            _remember(user_id, charger_id, asked, {"failed": str(refusal.detail)})
        raise
    _remember(user_id, charger_id, asked, {"response": answer.response})
    _learn(charger_id, answer)
    return answer


def close(user_id: int, transaction_id: int) -> None:
    """End a transaction whose charger never will, with its last reading, and remember who did.

    Raises ``NotFound``, or ``DomainError`` when it has stopped already.
    """
    db.session.remove()  # what was read before is not what will be shown after
    closed = journal.perform(lambda work: transactions.close(work, transaction_id))
    with unit_of_work() as work:
        details = {"meter_stop_wh": closed.meter_stop_wh, "energy_wh": closed.energy_wh}
        audit.record(work, work.get(User, user_id), "close", "charge_transaction", transaction_id, details)


def _learn(charger_id: str, answer: Answer) -> None:
    """Keep what the answer says of the charger."""
    _, _, action, sent = json.loads(answer.sent)
    if action in configuration.ACTIONS:
        with unit_of_work() as work:
            configuration.learn(work, charger_id, action, sent, answer.response)


def _remember(user_id: int, charger_id: str, asked: Mapping[str, Any], outcome: dict[str, Any]) -> None:
    with unit_of_work() as work:
        details = {"asked": without_secrets(dict(asked)), **without_secrets(outcome)}
        audit.record(work, work.get(User, user_id), "command", "charger", charger_id[:100], details)


def without_secrets(told: Any) -> Any:
    """A command without what opens doors: passwords, tokens, values of configuration keys that are one."""
    if isinstance(told, list):
        return [without_secrets(item) for item in told]
    if isinstance(told, str):
        return told[:MAX_TEXT]
    if not isinstance(told, dict):
        return told
    secret = "value" if audit.SECRET.search(str(told.get("key", ""))) else ""
    return {
        name: "changed"
        if name == secret or (name != "key" and audit.SECRET.search(name))
        else without_secrets(item)
        for name, item in told.items()
    }
