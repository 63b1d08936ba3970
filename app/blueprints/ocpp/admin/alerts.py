"""The staff screen of alerts: what is wrong, what was, and who knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash
from flask_admin.actions import action
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup
from sqlalchemy.orm import joinedload

from app.blueprints.ocpp import vocabulary
from app.blueprints.ocpp.admin.bases import History, ReadOnly, caller_id, link_to_charger
from app.blueprints.ocpp.admin.filters import of_charger
from app.blueprints.ocpp.models import Alert
from app.clock import utcnow
from app.db import UnitOfWork

COLOURS = {"silent": "warning", "fault": "danger", "disk": "danger"}


def _kind(_view: Any, _context: Any, row: Alert, _name: str) -> Markup:
    colour = COLOURS[row.kind] if row.ended_at is None else "secondary"
    return Markup('<span class="badge badge-{}">{}</span>').format(
        colour, vocabulary.KINDS_OF_ALERTS[row.kind]
    )


def _charger(_view: Any, _context: Any, row: Alert, _name: str) -> Markup:
    return link_to_charger(row.charger) if row.charger else Markup()


class AlertAdmin(History):
    """Newest first; staff acknowledge what they know of, and then nobody is reminded."""

    column_list = (
        "kind", "charger", "connector_id", "detail", "since", "ended_at", "times", "mailed_at",
        "acknowledged_at",
    )  # fmt: skip
    column_filters = (of_charger(Alert.charger_id), "kind", "ended_at", "acknowledged_at", "since")
    column_formatters = {"charger": _charger, "kind": _kind}
    column_formatters_detail = column_formatters
    column_details_list = (*column_list, "noticed_at", "acknowledged_by")
    column_labels = ReadOnly.column_labels | {
        "kind": lazy_gettext("Alert"),
        "detail": lazy_gettext("Detail"),
        "since": lazy_gettext("Since"),
        "noticed_at": lazy_gettext("Noticed"),
        "ended_at": lazy_gettext("Over"),
        "times": lazy_gettext("Times"),
        "mailed_at": lazy_gettext("Mailed"),
        "acknowledged_at": lazy_gettext("Acknowledged"),
        "acknowledged_by": lazy_gettext("Acknowledged by"),
    }

    def get_query(self) -> Any:
        """With the chargers and who acknowledged."""
        return super().get_query().options(joinedload(Alert.charger), joinedload(Alert.acknowledged_by))

    @action("acknowledge", lazy_gettext("Acknowledge"))
    def action_acknowledge(self, ids: Sequence[str]) -> None:
        """Take alerts off the dashboard, and out of the mail."""
        count = self.change_each(ids, "acknowledge", _acknowledge)
        if count:
            flash(ngettext("%(num)d alert acknowledged.", "%(num)d alerts acknowledged.", count), "success")


def _acknowledge(_work: UnitOfWork, row: Alert) -> None:
    if row.acknowledged_at is None:
        row.acknowledged_at, row.acknowledged_by_id = utcnow(), caller_id()
