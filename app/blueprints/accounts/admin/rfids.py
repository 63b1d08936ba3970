"""Staff screen of drivers' cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, redirect, url_for
from flask_admin.actions import action
from flask_admin.contrib.sqla.filters import BaseSQLAFilter
from flask_admin.model.template import LinkRowAction
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup
from wtforms import Field, Form, ValidationError

from app.admin_base import StaffView
from app.blueprints.accounts.admin.picking import PICK_USER, badge
from app.blueprints.accounts.admin.tag_exports import TagExports
from app.blueprints.accounts.errors import BadRfid
from app.blueprints.accounts.models import RFID
from app.blueprints.accounts.services import rfids
from app.clock import utcnow

# RFID.state → its colour, and its word.
STATES = {
    "in_use": ("success", lazy_gettext("in use")),
    "no_owner": ("warning", lazy_gettext("without owner")),
    "expired": ("secondary", lazy_gettext("expired")),
    "blacklisted": ("danger", lazy_gettext("blacklisted")),
}
# Tags that one link can name.
MOST = 500


def _card(form: Form, field: Field) -> None:
    """A card's id; a tag that has another kind of id already may keep it."""
    known = getattr(form, "_obj", None)
    if known is not None and known.rfid == field.data:
        return
    try:
        rfids.checked_rfid(field.data or "")
    except BadRfid as error:
        raise ValidationError(error.detail) from error


def _upper(text: str | None) -> str | None:
    return text.strip().upper() if text else text


class InState(BaseSQLAFilter):
    """The tags that are where one word of ``STATES`` says, as ``RFID.state`` tells it of each."""

    def __init__(self) -> None:
        super().__init__(
            RFID.allowed, lazy_gettext("State"), [(name, word) for name, (_, word) in STATES.items()]
        )

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Ask in SQL what the model asks of a row."""
        expired = RFID.expires_at.is_not(None) & (RFID.expires_at <= utcnow())
        usable = RFID.allowed & ~expired
        conditions = {
            "in_use": usable & RFID.user_id.is_not(None),
            "no_owner": usable & RFID.user_id.is_(None),
            "expired": RFID.allowed & expired,
            "blacklisted": ~RFID.allowed,
        }
        return query.filter(conditions[value]) if value in conditions else query

    def operation(self) -> Any:
        """Its word in the filter's menu."""
        return lazy_gettext("equals")


class InGroup(BaseSQLAFilter):
    """The tags of one group."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Compare as groups are stored."""
        return query.filter(self.get_column(alias) == _upper(value))

    def operation(self) -> Any:
        """Its word in the filter's menu."""
        return lazy_gettext("equals")


def _state(_view: Any, _context: Any, tag: RFID, _name: str) -> Markup:
    return badge(*STATES[tag.state])


def _group(_view: Any, _context: Any, tag: RFID, _name: str) -> Markup | str:
    """A group leads to its tags: the first filter of the list is the group."""
    if not tag.parent:
        return ""
    address = url_for("admin_rfid.index_view", flt0_0=tag.parent)
    return Markup('<a href="{}">{}</a>').format(address, tag.parent)


class RfidAdmin(TagExports, StaffView):
    """Drivers' cards."""

    list_template = "accounts/admin/rfids.html"
    column_list = ("rfid", "state", "user", "expires_at", "parent", "added_on")
    column_details_list = ("rfid", "state", "user", "allowed", "expires_at", "parent", "added_on")
    column_searchable_list = ("rfid", "user.username", "parent")
    column_filters = (
        *(InGroup(RFID.parent, lazy_gettext("Group")), InState()),
        *("rfid", "user.username", "allowed", "parent", "expires_at", "added_on"),
    )
    column_formatters = {"state": _state, "parent": _group}
    column_formatters_detail = column_formatters
    column_sortable_list = ("rfid", ("user", "user.username"), "expires_at", "parent", "added_on")
    column_default_sort = "rfid"
    column_labels = {
        "rfid": lazy_gettext("RFID"),
        "state": lazy_gettext("State"),
        "user": lazy_gettext("User"),
        "user.username": lazy_gettext("User name"),
        "allowed": lazy_gettext("Allowed"),
        "expires_at": lazy_gettext("Expires at"),
        "parent": lazy_gettext("Group"),
        "added_on": lazy_gettext("Added on"),
    }
    column_descriptions = {
        "rfid": lazy_gettext("8, 14 or 20 hexadecimal digits"),
        "allowed": lazy_gettext(
            "A tag that is not allowed is blacklisted: every charger refuses it, and it loses its user."
        ),
        "parent": lazy_gettext("Tags of one group may end each other's transactions."),
    }
    form_columns = ("rfid", "user", "allowed", "expires_at", "parent")
    form_args = {"rfid": {"validators": [_card], "filters": [_upper]}, "parent": {"filters": [_upper]}}
    form_ajax_refs = {"user": PICK_USER}
    column_extra_row_actions = [
        LinkRowAction(
            "fa fa-check-circle-o",
            lambda _action, _row_id, tag: url_for("authorization.index", tag=tag.rfid),
            lazy_gettext("Test authorization"),
        )
    ]

    def on_model_change(self, form: Form, model: RFID, is_created: bool) -> None:
        """Whatever the order of the fields: a blacklisted tag has no user."""
        model.allowed = bool(model.allowed)

    @action("test_authorization", lazy_gettext("Test authorization"))
    def action_test_authorization(self, ids: Sequence[str]) -> Any:
        """Say for each tag why it may charge, or why not."""
        tags = [tag.rfid for tag in map(self.get_one, ids[:MOST]) if tag is not None]
        return redirect(url_for("authorization.index", tag=tags))

    @action(
        "blacklist", lazy_gettext("Blacklist"), lazy_gettext("Blacklist these tags? They lose their users.")
    )
    def action_blacklist(self, ids: Sequence[str]) -> None:
        """Refuse tags everywhere."""
        if count := self.change_each(ids, "blacklist", lambda _work, tag: setattr(tag, "allowed", False)):
            flash(ngettext("%(num)d tag blacklisted.", "%(num)d tags blacklisted.", count), "success")

    @action("allow", lazy_gettext("Allow"), lazy_gettext("Allow these tags again?"))
    def action_allow(self, ids: Sequence[str]) -> None:
        """Undo a blacklisting; the user has to be entered again."""
        if count := self.change_each(ids, "allow", lambda _work, tag: setattr(tag, "allowed", True)):
            flash(ngettext("%(num)d tag allowed.", "%(num)d tags allowed.", count), "success")
