"""Staff screen of API tokens."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, g
from flask_admin.actions import action
from flask_babel import gettext, lazy_gettext, ngettext
from wtforms import Form

from app.admin_base import StaffView
from app.blueprints.accounts.admin.picking import PICK_USER
from app.blueprints.accounts.models import ApiToken
from app.blueprints.accounts.services import create_token, revoke_token
from app.db import UnitOfWork


class TokenAdmin(StaffView):
    """API tokens: made, shown once, revoked."""

    can_edit = False
    can_delete = False
    column_list = ("user", "name", "created_on", "revoked_on")
    column_details_list = column_list
    column_searchable_list = ("user.username", "name")
    column_filters = ("user.username", "name", "created_on", "revoked_on")
    column_sortable_list = (("user", "user.username"), "name", "created_on", "revoked_on")
    column_default_sort = ("id", True)
    column_labels = {
        "user": lazy_gettext("User"),
        "user.username": lazy_gettext("User name"),
        "name": lazy_gettext("What it is for"),
        "created_on": lazy_gettext("Created on"),
        "revoked_on": lazy_gettext("Revoked on"),
    }
    form_columns = ("user", "name")
    form_ajax_refs = {"user": PICK_USER}

    def make(self, work: UnitOfWork, form: Form) -> ApiToken:
        """A token, kept in plain until this request has shown it."""
        token, g.plain_token = create_token(work, form.user.data, form.name.data)
        return token

    def after_model_change(self, form: Form, model: ApiToken, is_created: bool) -> None:
        """Say the token, this once."""
        sentence = gettext(
            "The token of %(name)s, shown only now: %(token)s", name=model.user, token=g.plain_token
        )
        flash(sentence, "warning")

    @action("revoke", lazy_gettext("Revoke"), lazy_gettext("Revoke these tokens, for good?"))
    def action_revoke(self, ids: Sequence[str]) -> None:
        """End tokens."""
        if count := self.change_each(ids, "revoke", lambda _work, token: revoke_token(token)):
            flash(ngettext("%(num)d token revoked.", "%(num)d tokens revoked.", count), "success")
