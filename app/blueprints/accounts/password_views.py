"""Passwords: forgotten, chosen by way of a link, changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app import access
from app.blueprints.accounts import identity, throttle
from app.blueprints.accounts.errors import DeadLink, WrongPassword
from app.blueprints.accounts.forms.logins import ChangePasswordForm, ForgotForm, NewPasswordForm
from app.blueprints.accounts.issuing import can_mail, issuer
from app.blueprints.accounts.login_views import bp, landing
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import check_password, invitations, links, passwords, users
from app.db import db, unit_of_work

# Seconds that it takes to answer whoever has forgotten a password. Writing a letter takes a part of it.
EVEN_S = 0.25


@bp.get("/login/forgot/")
@access.allow(access.ANYONE)
def forgot() -> ResponseReturnValue:
    """Ask who has forgotten their password."""
    return render_template("login/forgot.html", form=ForgotForm(), can_mail=can_mail())


@bp.post("/login/forgot/")
@access.allow(access.ANYONE, by_tag=True)
def send_reset() -> ResponseReturnValue:
    """Send a link, if there is somebody to send it to: the answer does not tell, nor does its time."""
    form = ForgotForm()
    if not form.validate_on_submit():
        return render_template("login/forgot.html", form=form, can_mail=can_mail()), 400
    who = str(form.who.data).strip()
    throttle.attempt("reset", who)
    with _evenly(), unit_of_work() as work:
        invitations.send_reset(work, issuer(), who, address=request.remote_addr or "")
    flash(
        gettext(
            "If there is such a user, and we know an email address, an email with a link is on its way. "
            "It may take some minutes; look into the spam folder, too."
        ),
        "info",
    )
    return redirect(url_for("login.login"))


@bp.get("/login/set-password/<token>/")
@access.allow(access.ANYONE)
def choose(token: str) -> ResponseReturnValue:
    """Ask for a new password. The link stays good: mail servers open links before people do."""
    try:
        user = links.owner(db.session(), issuer(), token)
    except DeadLink as dead:
        return _dead_link(dead)
    return render_template("login/set_password.html", form=NewPasswordForm(user), user=user)


@bp.post("/login/set-password/<token>/")
@access.allow(access.ANYONE, by_tag=True)
def set_password(token: str) -> ResponseReturnValue:
    """Use a link up: set the password, and log in."""
    try:
        user = links.owner(db.session(), issuer(), token)
        form = NewPasswordForm(user)
        if not form.validate_on_submit():
            return render_template("login/set_password.html", form=form, user=user), 400
        new_hash = passwords.hashed(str(form.new_password.data))
        with unit_of_work() as work:
            user = invitations.choose_password(work, issuer(), token, new_hash)
    except DeadLink as dead:
        return _dead_link(dead)
    identity.log_in(user)
    flash(gettext("Your password is set, and you are logged in."), "success")
    return redirect(landing(user))


@bp.get("/login/change-password/")
@access.allow(access.USER)
def ask_for_change() -> ResponseReturnValue:
    """Ask for the old password and a new one."""
    if access.caller().by_tag:
        return redirect(url_for("login.login", next=request.path))
    return render_template("login/change_password.html", form=ChangePasswordForm(_user()))


@bp.post("/login/change-password/")
@access.allow(access.USER)
def change_password() -> ResponseReturnValue:
    """Change the password: every other login of this user ends."""
    user = _user()
    form = ChangePasswordForm(user)
    if not form.validate_on_submit():
        return render_template("login/change_password.html", form=form), 400
    try:
        _change(user, old=str(form.password.data), new=str(form.new_password.data))
    except WrongPassword as refusal:
        form.password.errors = [refusal.detail]
        return render_template("login/change_password.html", form=form), 400
    identity.log_in(user)
    flash(gettext("Your password is changed. Everywhere else you are logged out."), "success")
    return redirect(_own_page())


def _change(user: User, *, old: str, new: str) -> None:
    username, session_key = user.username, user.session_key
    throttle.attempt("login", username)
    if check_password(db.session(), username, old) is None:
        raise WrongPassword
    new_hash = passwords.hashed(new)
    with unit_of_work() as work:
        users.change_password(work, user, session_key, new_hash)
    throttle.forgive("login", username)


@contextmanager
def _evenly() -> Iterator[None]:
    """Take as long whatever happens inside."""
    until = time.monotonic() + EVEN_S
    yield
    time.sleep(max(0.0, until - time.monotonic()))


def _dead_link(dead: DeadLink) -> ResponseReturnValue:
    return render_template("login/dead_link.html", form=None), dead.status_code


def _user() -> User:
    """Whoever is logged in; a program has no password to change."""
    who = access.caller()
    if who.by_token or not isinstance(who.user, User):
        raise access.Forbidden
    return who.user


def _own_page() -> str:
    """The visitor's own page, where there is one."""
    return url_for(current_app.extensions["index_pages"].get("accounts", "website.index"))
