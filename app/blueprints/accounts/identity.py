"""Who makes a request: the owner of a Bearer token, else whoever logged in."""

from __future__ import annotations

import hmac
from datetime import timedelta

from flask import Flask, current_app, g, request, session
from flask_login import current_user, login_user
from sqlalchemy.exc import SQLAlchemyError

from app import access, language
from app.access import Caller
from app.blueprints.accounts.errors import InvalidToken
from app.blueprints.accounts.models import RFID, User
from app.blueprints.accounts.services import find_token, holders, users
from app.db import db, unit_of_work
from app.extensions import login

# A login lasts this long after its last use.
LIFETIME = timedelta(days=14)
# What outlives a login: the visitor's choices, not their rights.
KEPT = ("language",)


def identify() -> Caller:
    """The caller of this request. Raises ``InvalidToken`` for a Bearer token that is not in force."""
    if _sends_token():
        plain = request.headers["Authorization"].partition(" ")[2]
        token = find_token(db.session(), plain.strip())
        if token is None:
            g.caller = Caller(None)  # the page that shows the error asks again
            raise InvalidToken
        return Caller(token.user, by_token=True)
    if not current_user.is_authenticated or not _tag_is_good():
        return Caller(None)
    return Caller(current_user._get_current_object(), by_tag=bool(session.get("by_tag")))


def _tag_is_good() -> bool:
    """Whether the tag that this session began with would begin it now; true of sessions without one."""
    tag_id = session.get("tag_id")
    if tag_id is None:
        return True
    return bool(current_app.config["RFID_LOGIN"]) and holders.still_logs_in(
        db.session(), tag_id, current_user.id
    )


def _sends_token() -> bool:
    return request.headers.get("Authorization", "").partition(" ")[0].lower() == "bearer"


def load_user(session_id: str) -> User | None:
    """The user of a login session, unless they were locked or their password has changed since."""
    id, _, key = session_id.partition(":")
    user = db.session.get(User, int(id)) if id.isdecimal() else None
    if user is None or not user.is_active or not hmac.compare_digest(user.session_key, key):
        return None
    return user


def enter(user: User, *, tag: RFID | None = None, new_hash: str = "") -> bool:
    """Log in whoever has just proved to be this user; with a tag alone, to look around.

    False: they were locked, or had a new password, in the moment between. ``new_hash``: see ``users.arrive``.
    """
    proved = user.id, user.session_key
    tag_id = tag.id if tag else None
    with unit_of_work() as work:
        arrived = users.arrive(work, *proved, new_hash)
    if arrived:
        log_in(user, tag_id=tag_id)
    return arrived


def preferred_language() -> str:
    """The language in the profile of whoever is logged in; a token's owner need not be who reads."""
    if "_user_id" not in session or _sends_token():
        return ""
    try:
        user = access.caller().user
        return user.language if isinstance(user, User) else ""
    except SQLAlchemyError:  # a page about a broken database can still be shown
        return ""


def log_in(user: User, *, tag_id: int | None = None) -> None:
    """Begin a session of the user's own: nothing that somebody planted in the old one survives."""
    log_out()
    login_user(user)
    g.pop("caller", None)
    # A reader at the wall is shared: what begins with a tag ends with the browser.
    session.permanent = tag_id is None
    if tag_id is not None:
        session["by_tag"] = True
        session["tag_id"] = tag_id


def log_out() -> None:
    """End the session, and its CSRF tokens with it."""
    kept = {name: session[name] for name in KEPT if name in session}
    session.clear()
    session.update(kept)


def init_app(app: Flask) -> None:
    """Answer ``access.caller()``, and tell Flask-Login how to find users."""
    app.config["PERMANENT_SESSION_LIFETIME"] = LIFETIME
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as the session: a form may stand open over lunch
    login.session_protection = None  # a phone's address changes on the way
    login.user_loader(load_user)
    access.identify = identify
    language.preferred = preferred_language
