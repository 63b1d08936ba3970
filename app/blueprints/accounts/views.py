"""The HTTP endpoints of accounts: its page in ``pages``, JSON in ``api``, logging in in ``login_views``."""

from __future__ import annotations

from flask import Flask

from app.blueprints import Domain
from app.blueprints.accounts import cli, identity, login_views, models, password_views  # noqa: F401 - tables

bp = Domain("accounts", __name__)

from app.blueprints.accounts import api, pages  # noqa: E402, F401 - they hang their views on bp


def init_app(app: Flask) -> None:
    """Who is calling, the login pages, the commands."""
    identity.init_app(app)
    app.register_blueprint(login_views.bp)
    cli.init_app(app)
