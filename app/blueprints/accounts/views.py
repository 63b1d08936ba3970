"""The HTTP endpoints of accounts."""

from __future__ import annotations

from flask import Flask, request
from flask.typing import ResponseReturnValue

from app import access
from app.blueprints import Domain
from app.blueprints.accounts import cli, forms, identity, login_views, models, password_views, tag_login  # noqa: F401
from app.body import body

bp = Domain("accounts", __name__)

# Anybody may send it: a large one is not even read.
LONGEST_BODY = 10_000


@bp.post("/rfid-login/")
@access.allow(access.ANYONE, json=True, csrf=False, only_post=True, by_tag=True)
def rfid_login() -> ResponseReturnValue:
    """Log in with a tag alone, to look around."""
    request.max_content_length = LONGEST_BODY
    user = tag_login.log_in(forms.rfid(body()))
    return {"id": user.id, "username": user.username}


def init_app(app: Flask) -> None:
    """Who is calling, the login pages, the commands."""
    identity.init_app(app)
    app.register_blueprint(login_views.bp)
    cli.init_app(app)
