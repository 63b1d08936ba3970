"""The HTTP endpoints of chat."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app import access
from app.access import ANYONE
from app.blueprints import Domain
from app.blueprints.chat import sockets  # noqa: F401 - the echo socket

bp = Domain("chat", __name__)


@bp.get("/")
@access.allow(ANYONE)
def index() -> ResponseReturnValue:
    """Try the echo socket, and see this server's socket addresses."""
    origin = f"{'wss' if request.is_secure else 'ws'}://{request.host}{request.root_path}"
    return render_template("chat/index.html", origin=origin)
