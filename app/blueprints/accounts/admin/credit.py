"""Staff screens of balances, and of the ledger behind them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_admin.model.template import LinkRowAction
from flask_babel import gettext, lazy_gettext
from wtforms import Field, Form, ValidationError
from wtforms.validators import InputRequired

from app.admin_base import StaffView
from app.blueprints.accounts.admin.picking import staff
from app.blueprints.accounts.errors import BadAmount
from app.blueprints.accounts.models import Account, Credit, User
from app.blueprints.accounts.services import credit
from app.db import UnitOfWork


def _authorization(_view: Any, _context: Any, account: Account, _name: str) -> str:
    """What a charger that asks for tags would be told now."""
    if not account.user.is_active:
        return gettext("Refused: the user is locked")
    if account.service_account:
        return gettext("Accepted: service account")
    return gettext("Accepted") if account.may_charge() else gettext("Refused: no credit")


def _kwh(_view: Any, _context: Any, account: Account, name: str) -> str:
    return f"{getattr(account, name):.3f}"


class AccountAdmin(StaffView):
    """Balances. Accounts come and go with their users; credit is added through the ledger."""

    can_create = False
    can_delete = False
    column_list = (
        "user",
        "credits_kwh",
        "total_kwh_spent",
        "balance_kwh",
        "authorization",
        "service_account",
    )
    column_details_list = column_list
    column_searchable_list = ("user.username", "user.email")
    column_filters = ("user.username", "user.is_active", "service_account", "balance_wh")
    column_sortable_list = (
        ("user", "user.username"),
        ("credits_kwh", "credited_wh"),
        ("total_kwh_spent", "spent_wh"),
        ("balance_kwh", "balance_wh"),
        "service_account",
    )
    column_default_sort = "user.username"
    column_formatters = {
        "credits_kwh": _kwh, "total_kwh_spent": _kwh, "balance_kwh": _kwh, "authorization": _authorization,
    }  # fmt: skip
    column_formatters_detail = column_formatters
    column_labels = {
        "user": lazy_gettext("User"),
        "user.username": lazy_gettext("User name"),
        "user.email": lazy_gettext("Email"),
        "user.is_active": lazy_gettext("Active"),
        "credits_kwh": lazy_gettext("Credit (kWh)"),
        "total_kwh_spent": lazy_gettext("Spent (kWh)"),
        "balance_kwh": lazy_gettext("Balance (kWh)"),
        "balance_wh": lazy_gettext("Balance (Wh)"),
        "authorization": lazy_gettext("Authorization"),
        "service_account": lazy_gettext("Service account"),
    }
    column_descriptions = {"service_account": lazy_gettext("May charge whatever the balance.")}
    form_columns = ("service_account",)
    column_extra_row_actions = [
        LinkRowAction(
            "fa fa-plus",
            lambda _action, row_id, _row: url_for("admin_credit.create_view", account=row_id),
            lazy_gettext("Add credit"),
        )
    ]


def _amount(_form: Form, field: Field) -> None:
    try:
        credit.parse_amount(field.data)
    except BadAmount as error:
        raise ValidationError(error.detail) from error


class CreditAdmin(StaffView):
    """The ledger: lines are added, never edited, never deleted."""

    can_edit = False
    can_delete = False
    column_list = ("account", "amount_kwh", "created_by", "created_on")
    column_details_list = column_list
    column_searchable_list = ("account.user.username",)
    column_filters = ("account.user.username", "amount_kwh", "created_on")
    column_sortable_list = ("amount_kwh", "created_on")
    column_default_sort = ("id", True)
    column_labels = {
        "account": lazy_gettext("Account"),
        "account.user.username": lazy_gettext("User name"),
        "amount_kwh": lazy_gettext("Amount (kWh)"),
        "created_by": lazy_gettext("Created by"),
        "created_on": lazy_gettext("Created on"),
    }
    column_descriptions = {
        "amount_kwh": lazy_gettext("A negative amount takes credit away, or corrects a mistake.")
    }
    form_columns = ("account", "amount_kwh")
    form_args = {"amount_kwh": {"validators": [InputRequired(), _amount]}}
    form_ajax_refs = {"account": {"fields": (User.username,), "page_size": 20}}

    def make(self, work: UnitOfWork, form: Form) -> Credit:
        """A line of the ledger, by whoever is logged in."""
        return credit.add_credit(work, form.account.data, form.amount_kwh.data, staff())
