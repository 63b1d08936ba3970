"""The JSON addresses of accounts."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from app import access, language
from app.blueprints.accounts import tag_login
from app.blueprints.accounts.forms.contact import profile_change
from app.blueprints.accounts.forms.logins import rfid
from app.blueprints.accounts.models import User
from app.blueprints.accounts.municipalities import MUNICIPALITIES, STATES
from app.blueprints.accounts.pages import caller
from app.blueprints.accounts.services import contact
from app.blueprints.accounts.views import bp
from app.body import body
from app.db import unit_of_work

# Anybody may send it: a larger one is not even read.
LONGEST_LOGIN = 10_000


@bp.get("/profile/")
@access.allow(access.USER, json=True)
def profile() -> ResponseReturnValue:
    """Tell the caller's own contact data."""
    return _told(caller())


@bp.post("/profile/")
@access.allow(access.USER, json=True)
def change_profile() -> ResponseReturnValue:
    """Change some of the caller's own contact data."""
    user, told = caller(), profile_change(body())
    with unit_of_work() as work:
        contact.change(work, user, told, by=user)
    if "language" in told and not access.caller().by_token:
        language.remember(told["language"])
    return _told(user)


@bp.get("/municipalities/")
@access.allow(access.ANYONE, json=True)
def municipalities() -> ResponseReturnValue:
    """List the states that addresses may lie in, with their municipalities."""
    return {code: {"name": name, "municipalities": MUNICIPALITIES[code]} for code, name in STATES.items()}, {
        "Cache-Control": "public, max-age=3600"
    }


@bp.post("/rfid-login/")
@access.allow(access.ANYONE, json=True, csrf=False, only_post=True, by_tag=True)
def rfid_login() -> ResponseReturnValue:
    """Log in with a tag alone, to look around."""
    request.max_content_length = LONGEST_LOGIN
    user = tag_login.log_in(rfid(body()))
    return {"id": user.id, "username": user.username}


def _told(user: User) -> dict[str, Any]:
    address = user.address
    return {
        "username": user.username,
        "email": user.email,
        "phone_number": user.phone_number,
        "language": user.language,
        "has_charger": user.has_charger,
        "address": {name: getattr(address, name) for name in contact.ADDRESS} if address else None,
    }
