"""Staff screen of the audit trail."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from markupsafe import Markup, escape

from app.admin_base import StaffView
from app.blueprints.accounts.models import AuditEntry


def _what_changed(_view: Any, _context: Any, entry: AuditEntry, _name: str) -> Markup:
    """``field: old → new``, a line each; ``field: new`` where there was nothing."""
    lines = []
    for name, value in entry.details.items():
        if isinstance(value, list) and len(value) == 2:
            old, new = value
            lines.append(f"{name}: {new}" if old is None else f"{name}: {old} → {new}")
        else:
            lines.append(f"{name}: {value}")
    return Markup("<br>").join(escape(line) for line in lines)


class AuditAdmin(StaffView):
    """Who did what, when, to which row."""

    can_create = False
    can_edit = False
    can_delete = False
    column_list = ("at", "username", "action", "subject", "subject_id", "details")
    column_details_list = column_list
    column_searchable_list = ("username", "action", "subject", "subject_id")
    column_filters = ("at", "username", "action", "subject", "subject_id")
    column_sortable_list = ("at", "username", "action", "subject")
    column_default_sort = ("id", True)
    column_formatters = {"details": _what_changed}
    column_formatters_detail = column_formatters
    column_labels = {
        "at": lazy_gettext("When"),
        "username": lazy_gettext("Who"),
        "action": lazy_gettext("What"),
        "subject": lazy_gettext("Table"),
        "subject_id": lazy_gettext("Row"),
        "details": lazy_gettext("Changes"),
    }
