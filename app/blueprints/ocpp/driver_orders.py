"""What drivers order beside a charger: start with a card of their own, stop a session of their own.

Each order ends in a word of ``landing_words.OUTCOMES``. Asked twice in a moment, a charger is asked once.
"""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_babel import gettext
from limits import RateLimitItem, RateLimitItemPerSecond

from app.blueprints.accounts.models import User
from app.blueprints.ocpp import dispatch, orders
from app.blueprints.ocpp.errors import BusAway, ChargerOffline, NoAnswer
from app.blueprints.ocpp.services import drivers, landing, overview
from app.db import db
from app.domain_error import DomainError, NotFound
from app.limits import within

# Seconds beyond the charger's time to answer in which the same order is the same click.
MOMENT_S = 10


def start(user: User, charger_id: str, *, card_id: int | None, connector_id: int | None) -> str:
    """Have a charger start with a card of this user: the one they chose, else their first.

    Takes as long as the charger does. Raises ``NotFound`` for a charger that nobody knows.
    """
    user_id, key = user.id, ("start", str(user.id), charger_id, str(connector_id))
    if not within(_moment(), *key):
        return "twice"
    word = "failed"
    try:
        word, asked = _checked(user, charger_id, card_id, connector_id)
        if not word:
            word = _give(user_id, charger_id, asked, done="asked", refused="rejected")
    finally:
        if word != "asked":
            within(_moment(), *key, cost=-1)
    return word


def stop(user: User, charger_id: str, transaction_id: int) -> str:
    """Have a charger stop a session of this user.

    Raises ``NotFound``: that others have some is nobody's business.
    """
    account = drivers.find_account(db.session(), user.id)
    found = drivers.find_session(db.session(), account, transaction_id) if account else None
    if found is None or found.charger.charger_id != charger_id:
        raise NotFound(gettext("This is no session of yours."))
    if not found.is_running:
        return "ended"
    key = ("stop", str(transaction_id))
    if not within(_moment(), *key):
        return "twice"
    asked = {"action": "RemoteStopTransaction", "payload": {"transactionId": transaction_id}}
    word = "failed"
    try:
        word = _give(user.id, charger_id, asked, done="stopping", refused="stop_rejected")
    finally:
        if word != "stopping":
            within(_moment(), *key, cost=-1)
    return word


def _checked(
    user: User, charger_id: str, card_id: int | None, connector_id: int | None
) -> tuple[str, dict[str, Any]]:
    """Why it cannot be asked, or what the charger is to be asked."""
    work = db.session()
    seen = overview.find(work, dispatch.presence(), charger_id)
    if seen is None:
        raise NotFound(gettext("There is no charger %(name)s.", name=charger_id[:100]))
    standing = landing.standing(work, user, seen.charger, connected=seen.connected)
    if any(connector_id == one.transaction.connector_id for one in standing.running):
        return "charges", {}
    if word := standing.obstacle or landing.obstacle_at(seen, connector_id):
        return word, {}
    card = next((one for one in standing.cards if card_id in (None, one.id)), None)
    if card is None:
        return "not_yours", {}
    with db.engine.begin() as connection:
        if word := landing.refusal(work, connection, seen.charger, card):
            return word, {}
    where = {} if connector_id is None else {"connectorId": connector_id}
    return "", {"action": "RemoteStartTransaction", "payload": {"idTag": card.rfid, **where}}


def _give(user_id: int, charger_id: str, asked: dict[str, Any], *, done: str, refused: str) -> str:
    try:
        answer = orders.give(user_id, charger_id, asked)
    except ChargerOffline:
        return "offline"
    except NoAnswer:
        return "no_answer"
    except BusAway:
        return "away"
    except DomainError:  # it does not know how, or may not be asked yet
        return "failed"
    return done if answer.response.get("status") == "Accepted" else refused


def _moment() -> RateLimitItem:
    return RateLimitItemPerSecond(1, current_app.config["OCPP_CALL_TIMEOUT"] + MOMENT_S, "driver-orders")
