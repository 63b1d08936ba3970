"""What drivers order beside a charger: start with a card of their own, stop a session of their own.

Each order ends in a word of ``landing_words.OUTCOMES``. Asked twice in a moment, a charger is asked once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import current_app
from flask_babel import gettext
from limits import RateLimitItemPerSecond

from app.blueprints.accounts.models import User
from app.blueprints.ocpp import dispatch, orders
from app.blueprints.ocpp.errors import BusAway, ChargerOffline, NoAnswer
from app.blueprints.ocpp.services import drivers, landing, overview
from app.db import db
from app.domain_error import DomainError, NotFound
from app.limits import forget, within

# Seconds after an order was accepted in which the same order is the same click.
MOMENT_S = 10
ACCEPTED = RateLimitItemPerSecond(1, MOMENT_S, "driver-orders")


def start(user: User, charger_id: str, *, card_id: int | None, connector_id: int | None) -> str:
    """Have a charger start with a card of this user: the one they chose, else their first.

    Takes as long as the charger does. Raises ``NotFound`` for a charger that nobody knows.
    """

    def order() -> str:
        word, asked = _checked(user, charger_id, card_id, connector_id)
        return word or _give(user_id, charger_id, asked, done="asked", refused="rejected")

    user_id = user.id
    return _once(_start_key(user_id, charger_id, connector_id), order, done="asked")


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
    user_id = user.id
    for connector_id in (found.connector_id, None):  # it has begun: the next start is another one
        forget(ACCEPTED, *_start_key(user_id, charger_id, connector_id))
    asked = {"action": "RemoteStopTransaction", "payload": {"transactionId": transaction_id}}

    def order() -> str:
        return _give(user_id, charger_id, asked, done="stopping", refused="stop_rejected")

    return _once(("stop", str(transaction_id)), order, done="stopping")


def _once(key: tuple[str, ...], order: Callable[[], str], *, done: str) -> str:
    """Carry out an order unless the same one is under way, or has just been accepted."""
    waiting = RateLimitItemPerSecond(1, current_app.config["OCPP_CALL_TIMEOUT"] + MOMENT_S, "driver-waits")
    if not within(ACCEPTED, *key, cost=0) or not within(waiting, *key):
        return "twice"
    try:
        word = order()
        if word == done:
            within(ACCEPTED, *key)
    finally:
        forget(waiting, *key)
    return word


def _start_key(user_id: int, charger_id: str, connector_id: int | None) -> tuple[str, ...]:
    return "start", str(user_id), charger_id, str(connector_id)


def _checked(
    user: User, charger_id: str, card_id: int | None, connector_id: int | None
) -> tuple[str, dict[str, Any]]:
    """Why it cannot be asked, or what the charger is to be asked."""
    work = db.session()
    seen = overview.find(work, dispatch.presence_of_one(charger_id), charger_id)
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
