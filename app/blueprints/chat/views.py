"""The HTTP endpoints of chat."""

from __future__ import annotations

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue

from app import access
from app.access import ANYONE
from app.blueprints import Domain
from app.blueprints.chat import sockets

bp = Domain("chat", __name__)


@bp.get("/")
@access.allow(ANYONE)
def index() -> ResponseReturnValue:
    """Try the echo socket, and see this server's socket addresses."""
    origin = f"{'wss' if request.is_secure else 'ws'}://{request.host}{request.root_path}"
    return render_template("chat/index.html", origin=origin)


def init_app(app: Flask) -> None:
    """Make room for the echo socket."""
    sockets.init_app(app)
