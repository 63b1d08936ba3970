"""Logging in, with a password or a tag, and out again."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response

from app import access, sites
from app.blueprints.accounts import identity, tag_login, throttle
from app.blueprints.accounts.errors import InvalidRfid
from app.blueprints.accounts.forms.logins import LoginForm, TagForm
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import check_password, passwords
from app.db import db

log = logging.getLogger(__name__)
bp = Blueprint("login", __name__)


@bp.get("/login/")
@access.allow(access.ANYONE)
def login() -> ResponseReturnValue:
    """Ask for user name and password; whoever is logged in already goes on."""
    who = access.caller()
    if isinstance(who.user, User) and not who.by_tag and not who.by_token:
        return redirect(landing(who.user))
    return _login_page(LoginForm())


@bp.post("/login/")
@access.allow(access.ANYONE, by_tag=True)
def submit() -> ResponseReturnValue:
    """Log in."""
    form = LoginForm()
    if form.validate_on_submit():
        username, password = str(form.username.data), str(form.password.data)
        throttle.attempt("login", username)
        user = check_password(db.session(), username, password)
        if user is not None and identity.enter(user, new_hash=passwords.renewed(user.password, password)):
            throttle.forgive("login", username)
            return redirect(landing(user))
        log.warning("failed login as %r from %s", username, request.remote_addr)
        form.form_errors.append(gettext("User name or password is wrong."))
    return _login_page(form), 401


@bp.get("/login/tag/")
@access.allow(access.ANYONE)
def tag() -> ResponseReturnValue:
    """Ask for a tag: typed, or held to a reader that acts as a keyboard."""
    _only_where_offered()
    return render_template("login/tag.html", form=TagForm())


@bp.post("/login/tag/")
@access.allow(access.ANYONE, by_tag=True)
def submit_tag() -> ResponseReturnValue:
    """Log in with a tag alone, to look around."""
    _only_where_offered()
    form = TagForm()
    if form.validate_on_submit():
        try:
            return redirect(landing(tag_login.log_in(str(form.rfid.data))))
        except InvalidRfid:
            form.form_errors.append(gettext("This tag logs nobody in."))
            form.rfid.raw_data = form.rfid.data = None  # a reader types the next number after this one
    return render_template("login/tag.html", form=form), 401


@bp.get("/logout/")
@access.allow(access.ANYONE)
def confirm_logout() -> ResponseReturnValue:
    """Ask before logging out: a link alone must not do it."""
    return render_template("login/logout.html")


@bp.post("/logout/")
@access.allow(access.ANYONE, by_tag=True)
def logout() -> ResponseReturnValue:
    """Log out."""
    identity.log_out()
    return redirect(url_for("website.index"))


@bp.after_request
def _keep_to_yourself(response: Response) -> Response:
    """The address of a page may hold a secret: no copy of it is kept, and nobody is told where one came from.

    The origin alone is told: Flask-WTF asks for it over HTTPS.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


def landing(user: User) -> str:
    """Staff land in the admin, or on the staff page that sent them here; others on ``next`` or ``/``."""
    target = sites.local(request.values.get("next"))
    return url_for("admin.index") if user.is_staff and not _is_for_staff(target) else target


def _login_page(form: LoginForm) -> str:
    return render_template("login/login.html", form=form, has_tags=tag_login.is_offered())


def _only_where_offered() -> None:
    if not tag_login.is_offered():
        raise NotFound


def _is_for_staff(target: str) -> bool:
    adapter = current_app.create_url_adapter(request)
    path = urlsplit(target).path.removeprefix(request.root_path)
    try:
        endpoint, _ = adapter.match(path, method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return False
    rule = access.rule_of(current_app, str(endpoint))
    return not rule.json and rule.who in (access.STAFF, access.STAFF_OR_TOKEN)
