"""Staff screen of the ledger behind the balances."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from wtforms import Form
from wtforms.validators import InputRequired

from app.admin_base import StaffView
from app.blueprints.accounts.admin.forms import NEGATIVE, FormKeyField, enter_credit, is_amount
from app.blueprints.accounts.admin.picking import OfUser, fill_in_account, kwh, pick_account
from app.blueprints.accounts.models import Credit
from app.db import UnitOfWork


def _amount(_view: Any, _context: Any, line: Credit, _name: str) -> str:
    return kwh(line.amount_kwh, 2)


class CreditAdmin(StaffView):
    """The ledger: lines are added, never edited, never deleted."""

    can_edit = False
    can_delete = False
    column_list = ("account", "amount_kwh", "created_by", "created_on")
    column_details_list = column_list
    column_searchable_list = ("account.user.username",)
    column_filters = (
        OfUser(Credit.account_id, lazy_gettext("Account")),
        *("account.user.username", "amount_kwh", "created_on"),
    )
    column_sortable_list = ("amount_kwh", "created_on")
    column_default_sort = ("id", True)
    column_formatters = {"amount_kwh": _amount}
    column_formatters_detail = column_formatters
    column_labels = {
        "account": lazy_gettext("Account"),
        "account.user.username": lazy_gettext("User name"),
        "amount_kwh": lazy_gettext("Amount (kWh)"),
        "created_by": lazy_gettext("Created by"),
        "created_on": lazy_gettext("Created on"),
    }
    column_descriptions = {"amount_kwh": NEGATIVE}
    form_columns = ("account", "amount_kwh", "form_key")
    form_args = {"amount_kwh": {"validators": [InputRequired(), is_amount]}}
    form_extra_fields = {"form_key": FormKeyField()}
    form_ajax_refs = {"account": pick_account()}

    def create_form(self, obj: Any = None) -> Form:
        """Fill in the account whose list entry led here."""
        form = super().create_form(obj)
        fill_in_account(form)
        return form

    def make(self, work: UnitOfWork, form: Form) -> Credit:
        """A line of the ledger, by whoever is logged in."""
        return enter_credit(work, form.account.data, form)
