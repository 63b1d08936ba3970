"""What a login must hold."""

from __future__ import annotations

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from app.blueprints.accounts.services.passwords import LONGEST


class LoginForm(FlaskForm):
    """User name and password."""

    username = StringField(lazy_gettext("User name"), [InputRequired(), Length(max=150)])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(), Length(max=LONGEST)])
