"""The HTTP endpoints of website: first pages, the visitor's language, and what machines ask for."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files

from flask import (
    Flask,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    send_from_directory,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from app import access, disk, metrics, pages, sites
from app.access import ANYONE
from app.blueprints import DOMAINS, Domain
from app.blueprints.readme.services import rendering
from app.blueprints.website import api_document, cli, services
from app.blueprints.website import sitemap as sitemap_file
from app.blueprints.website.models import SITES_CHANGED
from app.db import db
from app.jobs import measures
from app.language import LANGUAGES

bp = Domain("website", __name__)

# Swagger UI, as the installed package brings it.
SWAGGER_UI = str(files("flask_swagger_ui") / "dist")


@bp.get("/")
@access.allow(ANYONE)
def index() -> ResponseReturnValue:
    """The README of the domain that this host is for, with its pages; else the project's."""
    label = sites.label()
    domain = "" if label == "website" else label
    return render_template(
        "website/index.html",
        document=rendering.rendered(domain, request.root_path),
        domain=domain,
        pages=pages.pages_of(domain) if domain else [],
    )


@bp.route("/language/<code>/", methods=["GET", "POST"])
@access.allow(ANYONE, csrf=False, by_tag=True)
def language(code: str) -> ResponseReturnValue:
    """Remember the visitor's language, and go back to where they were."""
    if code not in LANGUAGES:
        raise NotFound
    session["language"] = code
    return redirect(sites.local(request.values.get("next")))


@bp.get("/healthz")
@access.allow(ANYONE, json=True)
def healthz() -> ResponseReturnValue:
    """Whether web, database and broker answer and the disk has room; 503 names what is wrong."""
    redis_url, folder = current_app.config["REDIS_URL"], current_app.instance_path
    is_full = disk.notes.is_full or disk.room(folder).is_full
    health = services.health(db.engine, redis_url, folder, disk_is_full=is_full)
    return health.as_json(), 200 if health.is_ok else 503, {"Cache-Control": "no-store"}


@bp.get("/metrics")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def metrics_text() -> ResponseReturnValue:
    """Tell Prometheus how this installation is doing."""
    return Response(metrics.text(), content_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


@bp.get("/api/openapi.json")
@access.allow(ANYONE, json=True)
def openapi() -> ResponseReturnValue:
    """Describe every JSON address, for programs."""
    # In its own order: jsonify would sort.
    text = json.dumps(api_document.document(current_app, request.root_path), ensure_ascii=False)
    return Response(text, mimetype="application/json")


@bp.get("/api/docs", strict_slashes=False)
@access.allow(ANYONE)
def docs() -> ResponseReturnValue:
    """Every JSON address, to read about and to try."""
    return render_template("website/docs.html", swagger_ui=version("flask-swagger-ui"))


@bp.get("/api/docs/<any('swagger-ui.css', 'swagger-ui-bundle.js'):name>")
@access.allow(ANYONE)
def docs_asset(name: str) -> ResponseReturnValue:
    """What that page is made with; its address changes with the version."""
    return send_from_directory(SWAGGER_UI, name, max_age=31_536_000)


@bp.get("/robots.txt")
@access.allow(ANYONE)
def robots() -> ResponseReturnValue:
    """What search engines need not look at."""
    root = request.root_path
    hidden = [
        f"{root}{path}" for path in ("/admin/", "/login/", "/logout/", "/language/", "/accounts/", "/healthz")
    ]
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in hidden)]
    lines.append(f"Sitemap: {current_app.config['PUBLIC_URL']}/sitemap.xml")
    return Response("\n".join([*lines, ""]), mimetype="text/plain")


@bp.get("/sitemap.xml")
@access.allow(ANYONE)
def sitemap() -> ResponseReturnValue:
    """Every public page, in each of its languages, for search engines."""
    paths = [url.removeprefix(request.root_path) for url in pages.public_pages()]
    return Response(sitemap_file.written(current_app.config["PUBLIC_URL"], paths), mimetype="application/xml")


@bp.get("/favicon.ico")
@access.allow(ANYONE)
def favicon() -> ResponseReturnValue:
    """The icon, where browsers look for it on pages that name none: the administration's."""
    return redirect(url_for("static", filename="favicon.svg"), 301)


def init_app(app: Flask) -> None:
    """Set up the site map, the commands, and what there is to measure."""
    cli.init_app(app)
    metrics.register(app, measures.collect)
    app.extensions["site_map"] = sites.SiteMap(
        app.config["SERVER_NAME"], frozenset(DOMAINS), lambda: services.site_labels(db.engine)
    )


@event.listens_for(Session, "after_commit")
def _follow_the_table(session: Session) -> None:
    """Read the site map again when a Site row has changed."""
    if session.info.pop(SITES_CHANGED, False):
        sites.forget()
