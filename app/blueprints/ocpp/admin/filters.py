"""Filters of lists that grow: they compare primary keys, so that the index on them serves."""

from __future__ import annotations

from typing import Any

from flask_admin.contrib.sqla.filters import BaseSQLAFilter
from flask_babel import lazy_gettext
from sqlalchemy import select

from app.blueprints.accounts.models import Account, User
from app.blueprints.ocpp.models import Charger


class OfCharger(BaseSQLAFilter):
    """The rows of the charger with this id."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Find the charger first."""
        charger = select(Charger.id).where(Charger.charger_id == value.strip()).scalar_subquery()
        return query.filter(self.get_column(alias) == charger)

    def operation(self) -> Any:
        """Its word in the filter's menu."""
        return lazy_gettext("equals")


class OfAccount(BaseSQLAFilter):
    """The rows on the account of the user with this name."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Find the account first."""
        account = select(Account.id).join(User).where(User.username == value.strip()).scalar_subquery()
        return query.filter(self.get_column(alias) == account)

    def operation(self) -> Any:
        """Its word in the filter's menu."""
        return lazy_gettext("equals")


def of_charger(column: Any) -> OfCharger:
    """The filter for a model's ``charger_id`` column."""
    return OfCharger(column, lazy_gettext("Charger"))
