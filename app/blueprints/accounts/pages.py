"""The page of accounts: what people say of themselves."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app import access, language
from app.blueprints.accounts.forms.contact import ContactForm, show_address
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import contact
from app.blueprints.accounts.views import bp
from app.db import unit_of_work


@bp.get("/")
@access.allow(access.USER)
def index() -> ResponseReturnValue:
    """How to reach you, where you live, and the language that you read."""
    user = caller()
    form = ContactForm(None, obj=user)
    show_address(form, user.address)
    return _page(form)


@bp.post("/")
@access.allow(access.USER)
def change() -> ResponseReturnValue:
    """Save it."""
    user, form = caller(), ContactForm(request.form)
    if not form.validate():
        return _page(form), 400
    before = user.language
    with unit_of_work() as work:
        contact.change(work, user, form.told(), by=user)
    # Nothing chosen, as before: the choice that was made in the navigation bar stays.
    if (user.language or before) and not access.caller().by_token:
        language.remember(user.language)
    flash(gettext("Saved."), "success")
    return redirect(url_for("accounts.index"))


def caller() -> User:
    """Whoever is logged in, or owns the token."""
    user = access.caller().user
    assert isinstance(user, User)  # the guard lets nobody else in
    return user


def _page(form: ContactForm) -> str:
    return render_template("accounts/index.html", form=form, looks_only=access.caller().by_tag)
