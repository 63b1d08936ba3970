"""The staff screen of QR links."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import Form, StringField
from wtforms.validators import DataRequired

from app.admin_base import StaffView
from app.blueprints.qrcodes import pictures, services
from app.blueprints.qrcodes.models import QRLink
from app.db import UnitOfWork, db


def _picture(_view: Any, _context: Any, link: QRLink, _name: str) -> Markup:
    return pictures.qr_img(link, link.value, 90)


def _large(_view: Any, _context: Any, link: QRLink, _name: str) -> Markup:
    return pictures.qr_img(link, link.value, 300)


class QRLinkAdmin(StaffView):
    """Links make themselves when a page shows them; staff may make others, for anything at all."""

    can_edit = False
    column_list = ("picture", "value", "created_on")
    column_details_list = column_list
    column_searchable_list = ("value",)
    column_sortable_list = ("value", "created_on")
    column_default_sort = ("id", True)
    column_formatters = {"picture": _picture}
    column_formatters_detail = {"picture": _large}
    column_labels = {
        "picture": lazy_gettext("Picture"),
        "value": lazy_gettext("What it says"),
        "created_on": lazy_gettext("Made"),
    }
    form_columns = ("value",)
    form_overrides = {"value": StringField}
    form_args = {
        "value": {
            "validators": [DataRequired()],
            "description": lazy_gettext("Usually an address."),
        }
    }

    def make(self, work: UnitOfWork, form: Form) -> QRLink:
        """Make a link, or find the one that says the same."""
        value = form.value.data.strip()
        return services.find_or_make(work, [value])[value]

    def after_model_change(self, form: Form, model: QRLink, is_created: bool) -> None:
        """Its picture is there at once."""
        pictures.make(model)

    def on_model_delete(self, model: QRLink) -> None:
        """Nobody asks for its picture any more; where somebody does all the same, it is made again."""
        services.forget(pictures.folder(), model)


def views() -> list[StaffView]:
    """What the admin hangs up."""
    name, category = lazy_gettext("QR codes"), lazy_gettext("Website")
    return [QRLinkAdmin(QRLink, db, name=name, category=category, endpoint="qr_link")]
