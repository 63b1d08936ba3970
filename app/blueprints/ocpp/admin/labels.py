"""From the administration to the labels: of the selected chargers, and of all."""

from __future__ import annotations

from collections.abc import Sequence

from flask import redirect, url_for
from flask_admin import expose
from flask_admin.actions import action
from flask_babel import lazy_gettext
from werkzeug.wrappers import Response

from app.admin_base import StaffPage


class Labels:
    """The part of the charger screen that prints labels."""

    @action("labels", lazy_gettext("Print QR labels …"))
    def action_labels(self, ids: Sequence[str]) -> Response:
        """Labels of the selected chargers."""
        return redirect(url_for("ocpp.labels", id=ids))


class LabelsPage(StaffPage):
    """The menu's entry for the labels of all chargers."""

    @expose("/")
    def index(self) -> Response:
        """Go there."""
        return redirect(url_for("ocpp.labels"))
