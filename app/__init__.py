"""Arthexis Constellation: the application factory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Build the application: settings, extensions, blueprints, errors — in that order.

    ``overrides`` are settings by name that win over the environment (tests use them).
    """
    from app import access, admin, blueprints, config, doorbell, errors, extensions, logs, pages, sites
    from app.jobs import models  # noqa: F401 - tables

    settings = config.environment()
    settings.update(overrides or {})
    app = _flask(config.complete(settings))
    logs.init_app(app)
    sites.remember_label(app)
    extensions.init_app(app)
    access.init_app(app)
    doorbell.init_app(app)
    blueprints.mount(app)
    admin.init_app(app)
    extensions.sock.init_app(app)
    pages.init_app(app)
    errors.init_app(app)
    _behind_proxies(app)
    return app


def _flask(settings: Mapping[str, Any]) -> Flask:
    from app import config, sites

    instance = Path(settings["INSTANCE_PATH"]).resolve()
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = sites.Constellation(__name__, subdomain_matching=True, instance_path=str(instance))
    app.config.from_mapping(settings)
    app.config["SECRET_KEY"] = settings["SECRET_KEY"] or config.secret_key(instance)
    app.config["MIGRATIONS_PATH"] = str(config.MIGRATIONS)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["MAX_CONTENT_LENGTH"] = 32 * 1024 * 1024
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.session_interface = SessionInterface()
    app.after_request(_headers)
    return app


def _behind_proxies(app: Flask) -> None:
    """Believe as many of them as there are; outermost, since all others ask for the caller's address."""
    if hops := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops, hops)  # type: ignore[method-assign]


class SessionInterface(SecureCookieSessionInterface):
    """Cookies are Secure exactly when the request came over HTTPS, so that a login works on a LAN address."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether this request was encrypted."""
        return request.is_secure

    def get_cookie_domain(self, app: Flask) -> None:
        """A login holds for the host that it was made on."""


# What a page may load and run: our own files. Bootstrap's icons are data: URLs; widths are set in attributes.
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src-attr 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
# Flask-Admin writes scripts and styles into its pages.
ADMIN_CONTENT_POLICY = CONTENT_POLICY.replace("img-src 'self' data:", "img-src 'self' data: blob:") + (
    "; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)


def content_policy(path: str) -> str:
    """The policy of the page at this path; ``maps`` lets some of them load tiles as well."""
    return ADMIN_CONTENT_POLICY if path.startswith("/admin/") else CONTENT_POLICY


def _headers(response: Any) -> Any:
    """What browsers are told about every page."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", content_policy(request.path))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    headers.setdefault("Referrer-Policy", "same-origin")
    if response.mimetype == "text/html":
        response.vary.add("Accept-Language")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
