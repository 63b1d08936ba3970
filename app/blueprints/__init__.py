"""The site map: each domain, mounted by path on any host and by subdomain."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState

# domain → the path that it is mounted at; the same name is its subdomain.
DOMAINS = {
    "accounts": "/accounts",
    "nodes": "/nodes",
    "chat": "/chat",
    "readme": "/readme",
    "mailer": "/mailer",
    "odoo": "/odoo",
    "awg": "/awg",
    "release": "/release",
    "qrcodes": "/qrcodes",
    "subscriptions": "/subscriptions",
    "ocpp": "/ocpp",
    "website": "",
}


class Domain(Blueprint):
    """A domain's blueprint. By subdomain its index is ``/dashboard/``: ``/`` shows the domain's README."""

    def make_setup_state(self, app: Any, options: dict[str, Any], first_registration: bool = False) -> Any:
        """Use the setup state that moves the index."""
        return _Mount(self, app, options, first_registration)


class _Mount(BlueprintSetupState):
    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Any = None, **options: Any
    ) -> None:
        if self.subdomain and rule == "/":
            rule = "/dashboard/"
        super().add_url_rule(rule, endpoint, view_func, **options)


def mount(app: Flask) -> None:
    """Import every domain and hang it up: models first, so that names across domains resolve."""
    modules = {name: import_module(f"app.blueprints.{name}.views") for name in DOMAINS}
    for name, path in DOMAINS.items():
        blueprint = modules[name].bp
        app.register_blueprint(blueprint, url_prefix=path or None)
        app.register_blueprint(blueprint, subdomain=name, name=f"{name}@site")
        if hasattr(modules[name], "init_app"):
            modules[name].init_app(app)
