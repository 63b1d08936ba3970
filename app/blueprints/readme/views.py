"""The HTTP endpoints of readme."""

from __future__ import annotations

from flask import Flask, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from app import access, pages
from app.access import ANYONE
from app.blueprints import DOMAINS, Domain
from app.blueprints.readme import cli
from app.blueprints.readme.services import rendering

bp = Domain("readme", __name__)


@bp.get("/")
@access.allow(ANYONE)
def index() -> ResponseReturnValue:
    """The project's README."""
    return render_template("readme/document.html", document=rendering.rendered("", request.root_path))


@bp.get("/of/<domain>/")
@access.allow(ANYONE)
def document(domain: str) -> ResponseReturnValue:
    """The README of one domain."""
    found = rendering.rendered(domain, request.root_path) if domain in DOMAINS else None
    if not found or not found.body:
        raise NotFound
    return render_template("readme/document.html", document=found)


def init_app(app: Flask) -> None:
    """Add the command, and tell of each domain's document."""
    app.cli.add_command(cli.build_readme)
    pages.tell_of(app, _documents)


def _documents() -> list[str]:
    """Where each domain's README is shown."""
    found = [domain for domain in DOMAINS if rendering.source(domain).exists()]
    return [url_for("readme.document", domain=domain) for domain in found]
