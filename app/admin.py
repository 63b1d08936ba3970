"""Hangs up the admin views that each domain brings, behind the staff login."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from flask import Flask
from flask_admin import Admin
from flask_admin.menu import MenuLink
from flask_admin.theme import Bootstrap4Theme
from flask_babel import lazy_gettext

from app.admin_base import StaffHome
from app.blueprints import DOMAINS


def init_app(app: Flask) -> None:
    """Every domain's ``admin.views()``, in the order of the site map."""
    staff = Admin(name="Constellation", theme=Bootstrap4Theme(swatch="default"), index_view=StaffHome())
    for name in DOMAINS:
        if find_spec(f"app.blueprints.{name}.admin"):
            for view in import_module(f"app.blueprints.{name}.admin").views():
                staff.add_view(view)
    staff.add_link(MenuLink(lazy_gettext("Dashboard"), endpoint="ocpp.dashboard"))
    staff.add_link(MenuLink(lazy_gettext("Site"), endpoint="website.index"))
    staff.add_link(MenuLink(lazy_gettext("Log out"), endpoint="login.logout"))
    staff.init_app(app)
