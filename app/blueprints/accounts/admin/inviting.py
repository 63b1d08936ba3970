"""What the staff screen of users does about invitations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask import flash
from flask_admin.actions import action
from flask_admin.form import rules
from flask_babel import gettext, lazy_gettext, ngettext
from wtforms import BooleanField, Field, Form, ValidationError

from app.admin_times import as_shown
from app.blueprints.accounts.issuing import can_mail, issuer
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import invitations
from app.db import UnitOfWork

if TYPE_CHECKING:
    from app.admin_base import StaffView as _View
else:
    _View = object


def last_login(_view: Any, _context: Any, user: User, _name: str) -> str:
    """When a user was last here; never, and whether they have been asked to come."""
    if user.last_login:
        return as_shown(user.last_login)
    if user.invited_at:
        return gettext("never; invited %(when)s", when=as_shown(user.invited_at))
    return gettext("never")


class IfThere(rules.Field):
    """A field that is not in every form: where it is not, there is nothing to show."""

    def __call__(self, form: Form, form_opts: Any = None, field_args: Any = None) -> str:
        """Render the field."""
        return super().__call__(form, form_opts, field_args) if self.field_name in form else ""


class TickBox(BooleanField):
    """Something to do, not a column."""

    def populate_obj(self, obj: Any, name: str) -> None:
        """Leave the row alone."""


def _needs_an_address(form: Form, field: Field) -> None:
    if field.data and not form.email.data:
        raise ValidationError(gettext("An invitation needs an email address."))
    if field.data and not form.is_active.data:
        raise ValidationError(gettext("A locked user cannot be invited."))


class Inviting(_View):
    """Users are invited when they are made, or later, by an action."""

    @staticmethod
    def tick_box() -> TickBox:
        """The field of a new user's form."""
        description = lazy_gettext("An email with a link by which the user chooses a password.")
        return TickBox(lazy_gettext("Send an invitation"), [_needs_an_address], description=description)

    def create_form(self, obj: Any = None) -> Form:
        """Say what becomes of an invitation where nothing can be sent."""
        form = super().create_form(obj)
        if not can_mail():
            form.send_invitation.description = f"{form.send_invitation.description} {_no_mail_server()}"
        return form

    def edit_form(self, obj: Any = None) -> Form:
        """Whoever is here already is invited by the action."""
        form = super().edit_form(obj)
        del form.send_invitation
        return form

    def invite_if_ticked(self, work: UnitOfWork, form: Form, user: User) -> None:
        """Send the invitation that the form asks for."""
        if form.send_invitation.data:
            work.flush()  # the link names the user
            self._invite(work, user)
            self.audit(work, "invite", user, {})

    def after_model_change(self, form: Form, model: User, is_created: bool) -> None:
        """Say what was sent."""
        if is_created and form.send_invitation.data:
            _say_invited(1)

    @action("invite", lazy_gettext("Invite"), lazy_gettext("Send these users a link to choose a password?"))
    def action_invite(self, ids: Sequence[str]) -> None:
        """Send invitations, all or none; an older one of the same user no longer works."""
        if count := self.change_each(ids, "invite", self._invite):
            _say_invited(count)

    @staticmethod
    def _invite(work: UnitOfWork, user: User) -> None:
        invitations.invite(work, issuer(), user)


def _say_invited(count: int) -> None:
    flash(ngettext("%(num)d user invited.", "%(num)d users invited.", count), "success")
    if not can_mail():
        flash(_no_mail_server(), "warning")


def _no_mail_server() -> str:
    return gettext(
        "No mail server is set up (SMTP_HOST): the invitation waits in the queue, and its link ends in "
        "72 hours all the same."
    )
