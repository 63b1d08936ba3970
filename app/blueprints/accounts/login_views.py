"""Logging in with a password, and out again."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from app import access, sites
from app.blueprints.accounts import identity, throttle
from app.blueprints.accounts.forms import LoginForm
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import check_password, passwords, users
from app.db import db, unit_of_work

log = logging.getLogger(__name__)
bp = Blueprint("login", __name__)


@bp.get("/login/")
@access.allow(access.ANYONE)
def login() -> ResponseReturnValue:
    """Ask for user name and password; whoever is logged in already goes on."""
    who = access.caller()
    if isinstance(who.user, User) and not who.by_tag and not who.by_token:
        return redirect(_landing(who.user))
    return render_template("login/login.html", form=LoginForm())


@bp.post("/login/")
@access.allow(access.ANYONE)
def submit() -> ResponseReturnValue:
    """Log in."""
    form = LoginForm()
    if form.validate_on_submit():
        username, password = str(form.username.data), str(form.password.data)
        throttle.attempt("login", username)
        user = check_password(db.session(), username, password)
        if user is not None:
            throttle.forgive("login", username)
            _keep_hash_current(user, password)
            identity.log_in(user)
            return redirect(_landing(user))
        log.warning("failed login as %r from %s", username, request.remote_addr)
        form.form_errors.append(gettext("User name or password is wrong."))
    return render_template("login/login.html", form=form), 401


@bp.get("/logout/")
@access.allow(access.ANYONE)
def confirm_logout() -> ResponseReturnValue:
    """Ask before logging out: a link alone must not do it."""
    return render_template("login/logout.html")


@bp.post("/logout/")
@access.allow(access.ANYONE)
def logout() -> ResponseReturnValue:
    """Log out."""
    identity.log_out()
    return redirect(url_for("website.index"))


def _landing(user: User) -> str:
    """Staff land in the admin, or on the staff page that sent them here; others on ``next`` or ``/``."""
    target = sites.local(request.values.get("next"))
    return url_for("admin.index") if user.is_staff and not _is_for_staff(target) else target


def _is_for_staff(target: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    path = urlsplit(target).path.removeprefix(request.root_path)
    try:
        endpoint, _ = adapter.match(path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return False
    rule = access.rule_of(current_app, str(endpoint))
    return not rule.json and rule.who in (access.STAFF, access.STAFF_OR_TOKEN)


def _keep_hash_current(user: User, password: str) -> None:
    if passwords.is_outdated(user.password):
        with unit_of_work():
            users.refresh_hash(user, password)
