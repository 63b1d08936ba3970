"""Staff screens of website."""

from __future__ import annotations

from flask_admin import BaseView
from flask_babel import lazy_gettext

from app.admin_base import home_notes
from app.blueprints.website.admin import home
from app.blueprints.website.admin.sites import SiteAdmin
from app.blueprints.website.admin.work import WorkAdmin
from app.blueprints.website.models import Site
from app.db import db


def views() -> list[BaseView]:
    """What the admin hangs up."""
    if home.notes not in home_notes:
        home_notes.append(home.notes)
    category = lazy_gettext("Website")
    return [
        SiteAdmin(Site, db, name=lazy_gettext("Sites"), category=category, endpoint="sites"),
        WorkAdmin(name=lazy_gettext("Work"), category=category, endpoint="work"),
    ]
