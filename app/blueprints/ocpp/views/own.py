"""Whoever asks for their own: the user, their account, a session of theirs."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response
from flask_babel import gettext

from app import access
from app.blueprints.accounts.models import Account, User
from app.blueprints.ocpp.errors import NoAccount
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import drivers
from app.db import db
from app.domain_error import NotFound


def user() -> User:
    """Who asks."""
    found = access.caller().user
    assert isinstance(found, User)  # the guard has let one pass
    return found


def find_account() -> Account | None:
    """Their account."""
    return drivers.find_account(db.session(), user().id)


def get_account() -> Account:
    """Their account. Raises ``NoAccount``."""
    found = find_account()
    if found is None:
        raise NoAccount
    return found


def get_session(transaction_id: int) -> Transaction:
    """A session of theirs. Raises ``NotFound``: that others have some is nobody's business."""
    found = drivers.find_session(db.session(), get_account(), transaction_id)
    if found is None:
        raise NotFound(gettext("not found"))
    return found


def private(answer: Any, status: int = 200) -> Response:
    """An answer that no cache keeps: after a logout, the browser's "back" must not show it."""
    response = make_response(answer, status)
    response.headers["Cache-Control"] = "no-store"
    return response
