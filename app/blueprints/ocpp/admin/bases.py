"""What the staff screens of ocpp share: tables that nobody edits."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import url_for
from flask_babel import lazy_gettext
from markupsafe import Markup

from app import access
from app.admin_base import StaffView
from app.blueprints.ocpp.models import Charger


def caller_id() -> int:
    """The member of staff behind this request."""
    user = access.caller().user
    assert user is not None  # StaffView lets nobody else in
    return user.id


def link_to_charger(charger: Charger) -> Markup:
    """A charger's id, leading to its page."""
    return Markup('<a href="{}">{}</a>').format(
        url_for("charger.details_view", id=charger.id), charger.charger_id
    )


def charger_cell(_view: Any, _context: Any, row: Any, _name: str) -> Markup:
    """The formatter of a ``charger`` column."""
    return link_to_charger(row.charger)


class ReadOnly(StaffView):
    """A table that staff look at."""

    can_create = False
    can_edit = False
    can_delete = False
    column_formatters: ClassVar[dict[str, Any]] = {"charger": charger_cell}
    column_labels = {"charger": lazy_gettext("Charger"), "connector_id": lazy_gettext("Connector")}


class History(ReadOnly):
    """A table that grows: newest first by its primary key, and never counted."""

    simple_list_pager = True
    column_default_sort: Any = ("id", True)
    column_sortable_list = ()
