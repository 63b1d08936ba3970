"""The staff screen of release: it only shows."""

from __future__ import annotations

from datetime import date

from flask_admin import BaseView, expose
from flask_babel import format_date, lazy_gettext

from app.admin_base import StaffPage
from app.blueprints.release import services

KINDS = {
    "code": lazy_gettext("Code"),
    "data": lazy_gettext("Data"),
    "documents": lazy_gettext("Documents"),
    "migrations": lazy_gettext("Migrations"),
    "static": lazy_gettext("Styles and scripts"),
    "templates": lazy_gettext("Templates"),
    "translations": lazy_gettext("Translations"),
}


class ReleaseAdmin(StaffPage):
    """What runs here, what has changed, and what a release would contain."""

    @expose("/")
    def index(self) -> str:
        """Everything."""
        found = services.overview()
        return str(self.render("release/admin/release.html", found=found, kinds=KINDS, day=_day))


def _day(text: str) -> str:
    return str(format_date(date.fromisoformat(text), "long"))


def views() -> list[BaseView]:
    """What the admin hangs up."""
    return [ReleaseAdmin(name=lazy_gettext("Release"), category=lazy_gettext("Website"), endpoint="releases")]
