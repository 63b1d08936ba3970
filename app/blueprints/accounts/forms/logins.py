"""What a login, and a new password, must hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, PasswordField, StringField, ValidationError
from wtforms.validators import EqualTo, InputRequired, Length

from app.blueprints.accounts.errors import BadPassword, RfidRequired, WeakPassword
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import passwords
from app.blueprints.accounts.services.passwords import LONGEST


class LoginForm(FlaskForm):
    """User name and password."""

    username = StringField(lazy_gettext("User name"), [InputRequired(), Length(max=150)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(), Length(max=LONGEST)])


class TagForm(FlaskForm):
    """The number of a tag, typed or read by a reader that acts as a keyboard."""

    rfid = StringField(lazy_gettext("Tag number"), [InputRequired(), Length(max=40)])


class ForgotForm(FlaskForm):
    """Who has forgotten their password."""

    who = StringField(lazy_gettext("User name or email"), [InputRequired(), Length(max=254)])


class NewPasswordForm(FlaskForm):
    """A new password, twice, so that nobody locks themselves out by a slip. ``user`` is whose it will be."""

    new_password = PasswordField(
        lazy_gettext("New password"),
        [InputRequired()],
        description=lazy_gettext("At least 8 characters; some words that do not belong together are good."),
    )
    again = PasswordField(
        lazy_gettext("The same again"),
        [InputRequired(), EqualTo("new_password", lazy_gettext("The two passwords differ."))],
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def validate_new_password(self, field: Field) -> None:
        """The rule for passwords, as everywhere."""
        check_new_password(field, self.user.username, self.user.email)


class ChangePasswordForm(NewPasswordForm):
    """The old password, to show that it is still the same person, and the new one."""

    password = PasswordField(lazy_gettext("Your password until now"), [InputRequired(), Length(max=LONGEST)])


def check_new_password(field: Field, username: str, email: str) -> None:
    """Hold a field to the rule for passwords. Raises ``ValidationError``."""
    try:
        passwords.check(str(field.data), username=username, email=email)
    except (BadPassword, WeakPassword) as refusal:
        raise ValidationError(refusal.detail) from refusal


def rfid(given: Mapping[str, Any]) -> str:
    """The tag that a request carries. Raises ``RfidRequired``."""
    text = given.get("rfid")
    if isinstance(text, int) and not isinstance(text, bool):  # a reader that takes digits for a number
        text = str(text)
    if not isinstance(text, str) or not text.strip():
        raise RfidRequired
    return text
