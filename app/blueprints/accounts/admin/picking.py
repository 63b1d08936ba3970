"""What the staff screens of accounts share: who is at work, and how a user or an account is picked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import request
from flask_admin.contrib.sqla.filters import BaseSQLAFilter
from flask_babel import format_decimal, lazy_gettext
from markupsafe import Markup
from sqlalchemy import select
from wtforms import Form

from app import access
from app.admin_base import PickedThrough
from app.blueprints.accounts.models import Account, User
from app.db import db

PICK_USER = {"fields": ("username", "email"), "page_size": 20, "order_by": "username"}


def pick_account() -> PickedThrough:
    """How a form picks an account: by its user."""
    return PickedThrough(
        Account.user, "account", db, Account, fields=(User.username,), order_by=User.username
    )


def fill_in_account(form: Form) -> None:
    """Pick the account whose page or list entry led here."""
    asked = request.args.get("account", "")
    if request.method == "GET" and asked.isascii() and asked.isdecimal() and len(asked) < 10:
        form.account.data = db.session.get(Account, int(asked))


class OfUser(BaseSQLAFilter):
    """The rows on the account of the user with this name."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Compare primary keys, so that the index on them serves."""
        account = select(Account.id).join(User).where(User.username == value.strip()).scalar_subquery()
        return query.filter(self.get_column(alias) == account)

    def operation(self) -> Any:
        """Its word in the filter's menu."""
        return lazy_gettext("equals")


def staff() -> User:
    """The member of staff behind this request."""
    user = access.caller().user
    assert isinstance(user, User)
    return user


def badge(colour: str, words: Any) -> Markup:
    """A state, as the lists show it."""
    return Markup('<span class="badge badge-{}">{}</span>').format(colour, words)


def kwh(amount: Decimal, digits: int = 3) -> str:
    """An amount of energy, as the reader writes numbers."""
    return str(format_decimal(amount, f"#,##0.{'0' * digits}"))
