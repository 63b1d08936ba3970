"""Staff page: may this tag or account charge, and why not, in the words and by the rule of the chargers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from flask_admin import expose
from flask_admin.form import BaseForm
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from wtforms import StringField

from app.admin_base import StaffPage
from app.blueprints.accounts.models import Account, User
from app.blueprints.ocpp import words
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import rehearsal
from app.blueprints.ocpp.services.rehearsal import Trial
from app.db import db

# Tags and accounts that are tried at a time.
MOST = 500


class Question(BaseForm):
    """Who, and where."""

    tag = StringField(lazy_gettext("Id tag"))
    user = StringField(lazy_gettext("User name"))
    charger = StringField(
        lazy_gettext("Charger"), description=lazy_gettext("Its id. Empty: any that asks for a tag.")
    )


class AuthorizationPage(StaffPage):
    """Asks what a charger would ask, without starting anything."""

    @expose("/")
    def index(self) -> Any:
        """Try the tags and accounts that are named, at one charger or at any."""
        form = Question(request.args)
        charger = _charger(form)
        accounts = _accounts(form)
        return self.render(
            "ocpp/admin/authorization.html",
            form=form,
            charger=charger,
            trials=[] if form.errors else _tried(charger, accounts),
            # Chosen in a list: kept while the charger is changed.
            chosen=[("tag", tag) for tag in _tags()[1:]]
            + [("account", id) for id in _ids(request.args.getlist("account"))],
            words=words,
        )


def _tried(charger: Charger | None, accounts: Sequence[int]) -> list[Trial]:
    with db.engine.begin() as connection:
        return rehearsal.tried(db.session(), connection, charger, tags=_tags(), accounts=accounts)


def _tags() -> list[str]:
    return [tag for tag in request.args.getlist("tag")[:MOST] if tag.strip() and "\0" not in tag]


def _charger(form: Question) -> Charger | None:
    name = (form.charger.data or "").strip()
    if not name:
        return None
    found = None if "\0" in name else db.session.scalar(select(Charger).where(Charger.charger_id == name))
    if found is None:
        form.charger.errors = [gettext("There is no charger %(name)s.", name=name[:100])]
    return found


def _accounts(form: Question) -> list[int]:
    """Those that a list named, and that of the user whose name was typed."""
    ids = _ids(request.args.getlist("account"))
    name = (form.user.data or "").strip()
    if not name:
        return ids
    of_user = select(Account.id).join(User).where(User.username == name)
    found = None if "\0" in name else db.session.scalar(of_user)
    if found is None:
        form.user.errors = [gettext("There is no user %(name)s.", name=name[:100])]
        return ids
    return [*ids, found]


def _ids(given: Sequence[str]) -> list[int]:
    return [int(id) for id in given[:MOST] if id.isascii() and id.isdecimal() and len(id) < 10]
