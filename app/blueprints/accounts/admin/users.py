"""Staff screen of people who may log in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, request
from flask_admin.actions import action
from flask_admin.form import rules
from flask_admin.helpers import is_form_submitted
from flask_babel import lazy_gettext, ngettext
from flask_login import login_user
from wtforms import Field, Form, PasswordField, SelectField
from wtforms.validators import Optional

from app.admin_base import StaffView
from app.blueprints.accounts.admin.inviting import IfThere, Inviting, last_login
from app.blueprints.accounts.admin.picking import staff
from app.blueprints.accounts.errors import SelfHarm
from app.blueprints.accounts.forms.contact import (
    AddressFields,
    address_fits,
    address_in,
    has_address,
    languages,
    read_by,
    show_address,
)
from app.blueprints.accounts.forms.logins import check_new_password
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import contact, passwords, users
from app.db import UnitOfWork


class NewPasswordField(PasswordField):
    """Goes to the service, never onto the row; what was typed is never shown again."""

    # Made before anything is written: chargers wait for the one who writes, not for the one who hashes.
    hash = ""

    def post_validate(self, form: Form, validation_stopped: bool) -> None:
        """Hash a password that may be used."""
        if self.data and not self.errors:
            self.hash = passwords.hashed(self.data)

    def populate_obj(self, obj: Any, name: str) -> None:
        """Leave the row alone."""


def _password(form: Form, field: Field) -> None:
    """The rule for passwords, as everywhere."""
    check_new_password(field, form.username.data or "", form.email.data or "")


class UserAdmin(Inviting, StaffView):
    """People who may log in."""

    column_list = ("username", "email", "is_staff", "is_active", "has_charger", "added_on", "last_login")
    column_details_list = (
        *("username", "email", "phone_number", "language", "address", "has_charger", "is_staff"),
        *("is_superuser", "is_active", "added_on", "last_login", "rfids"),
    )
    column_searchable_list = ("username", "email", "phone_number")
    column_filters = ("is_staff", "is_active", "has_charger", "added_on", "last_login")
    column_default_sort = "username"
    column_formatters = {"last_login": last_login}
    column_formatters_detail = column_formatters
    column_labels = {
        "username": lazy_gettext("User name"),
        "email": lazy_gettext("Email"),
        "phone_number": lazy_gettext("Phone number"),
        "language": lazy_gettext("Language"),
        "address": lazy_gettext("Address"),
        "has_charger": lazy_gettext("Has a charger"),
        "is_staff": lazy_gettext("Staff"),
        "is_superuser": lazy_gettext("Superuser"),
        "is_active": lazy_gettext("Active"),
        "added_on": lazy_gettext("Added on"),
        "last_login": lazy_gettext("Last login"),
        "rfids": lazy_gettext("RFID tags"),
    }
    form_columns = (
        *("username", "new_password", "email", "phone_number", "language", "has_charger"),
        *("is_staff", "is_superuser", "is_active", "send_invitation"),
        *contact.ADDRESS,
    )
    form_rules = (
        *("username", "new_password", "is_staff", "is_superuser", "is_active"),
        rules.FieldSet(("email", "phone_number", "language", "has_charger"), lazy_gettext("Contact")),
        rules.FieldSet(tuple(contact.ADDRESS), lazy_gettext("Address")),
        IfThere("send_invitation"),
    )
    form_overrides = {"language": SelectField}
    form_args = {
        "email": {"validators": [read_by(contact.email)]},
        "phone_number": {"validators": [read_by(contact.phone_number)]},
        "language": {"choices": languages},
    }
    create_template = "accounts/admin/user_create.html"
    edit_template = "accounts/admin/user_edit.html"
    form_extra_fields = {
        "new_password": NewPasswordField(
            lazy_gettext("New password"),
            [Optional(), _password],
            description=lazy_gettext(
                "Empty: as it was. A new user without one is invited, or can only use tags and tokens."
            ),
        ),
        "send_invitation": Inviting.tick_box(),
        **{name: getattr(AddressFields, name) for name in contact.ADDRESS},
    }
    form_widget_args = {"new_password": {"autocomplete": "new-password"}}

    def edit_form(self, obj: Any = None) -> Form:
        """With the address that the user has."""
        form = super().edit_form(obj)
        if request.method == "GET" and obj is not None:
            show_address(form, obj.address)
        return form

    def validate_form(self, form: Form) -> bool:
        """Also the address, as a whole."""
        valid = bool(super().validate_form(form))
        if is_form_submitted() and hasattr(form, "street"):
            valid &= address_fits(form)
        return valid

    def make(self, work: UnitOfWork, form: Form) -> User:
        """A user and their account."""
        user = users.create_user(work, form.username.data, password_hash=form.new_password.hash)
        form.username.data = user.username
        form.populate_obj(user)
        self._house(work, form, user)
        self.invite_if_ticked(work, form, user)
        return user

    def change(self, work: UnitOfWork, form: Form, row: User) -> None:
        """Write the form; a new password or a lock ends the user's logins."""
        form.username.data = users.cleaned_username(form.username.data)
        was_active = row.is_active
        form.populate_obj(row)
        if row.id == staff().id and not (row.is_active and row.is_staff):
            raise SelfHarm
        if was_active and not row.is_active:
            users.lock(row)
        if form.new_password.hash:
            users.set_hash(row, form.new_password.hash)
        self._house(work, form, row)

    def _house(self, work: UnitOfWork, form: Form, user: User) -> None:
        if has_address(form):  # a form without the section leaves it alone
            contact.set_address(work, user, address_in(form), staff())

    def after_model_change(self, form: Form, model: User, is_created: bool) -> None:
        """Whoever changes their own password stays logged in here."""
        super().after_model_change(form, model, is_created)
        if model.id == staff().id:
            login_user(model)

    def remove(self, work: UnitOfWork, row: User) -> None:
        """Only who has left no trace."""
        if row.id == staff().id:
            raise SelfHarm
        users.delete_user(work, row, staff())

    @action(
        "lock", lazy_gettext("Lock"), lazy_gettext("Lock these users out, and end their logins and tokens?")
    )
    def action_lock(self, ids: Sequence[str]) -> None:
        """No login, no token, no tag of theirs works until they are unlocked."""

        def lock(_work: UnitOfWork, user: User) -> None:
            if user.id == staff().id:
                raise SelfHarm
            users.lock(user)

        if count := self.change_each(ids, "lock", lock):
            flash(ngettext("%(num)d user locked.", "%(num)d users locked.", count), "success")

    @action("unlock", lazy_gettext("Unlock"), lazy_gettext("Let these users in again?"))
    def action_unlock(self, ids: Sequence[str]) -> None:
        """Undo a lock."""
        if count := self.change_each(ids, "unlock", lambda _work, user: users.unlock(user)):
            flash(ngettext("%(num)d user unlocked.", "%(num)d users unlocked.", count), "success")
