"""Staff screen of drivers' cards."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash
from flask_admin.actions import action
from flask_babel import lazy_gettext, ngettext
from wtforms import Field, Form, ValidationError

from app.admin_base import StaffView
from app.blueprints.accounts.admin.picking import PICK_USER
from app.blueprints.accounts.admin.tag_exports import TagExports
from app.blueprints.accounts.errors import BadRfid
from app.blueprints.accounts.models import RFID
from app.blueprints.accounts.services import rfids


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


class RfidAdmin(TagExports, StaffView):
    """Drivers' cards."""

    list_template = "accounts/admin/rfids.html"
    column_list = ("rfid", "user", "allowed", "expires_at", "parent", "added_on")
    column_details_list = column_list
    column_searchable_list = ("rfid", "user.username", "parent")
    column_filters = ("rfid", "user.username", "allowed", "parent", "expires_at", "added_on")
    column_sortable_list = ("rfid", ("user", "user.username"), "allowed", "expires_at", "parent", "added_on")
    column_default_sort = "rfid"
    column_labels = {
        "rfid": lazy_gettext("RFID"),
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

    def on_model_change(self, form: Form, model: RFID, is_created: bool) -> None:
        """Whatever the order of the fields: a blacklisted tag has no user."""
        model.allowed = bool(model.allowed)

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
