"""Staff screens of balances, and of the ledger behind them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import request, url_for
from flask_admin.model.template import LinkRowAction
from flask_babel import gettext, lazy_gettext
from wtforms import Field, Form, ValidationError
from wtforms.validators import InputRequired

from app.admin_base import PickedThrough, StaffView
from app.blueprints.accounts.admin.picking import staff
from app.blueprints.accounts.errors import BadAmount
from app.blueprints.accounts.models import Account, Credit, User
from app.blueprints.accounts.services import credit
from app.db import UnitOfWork, db


def _authorization(_view: Any, _context: Any, account: Account, _name: str) -> str:
    """What a charger that asks for tags would be told now."""
    if not account.user.is_active:
        return gettext("Refused: the user is locked")
    if account.service_account:
        return gettext("Accepted: service account")
    return gettext("Accepted") if account.may_charge() else gettext("Refused: no credit")


def _kwh(_view: Any, _context: Any, account: Account, name: str) -> str:
    """Lists sort by whole Wh; people read kWh."""
    return f"{Decimal(getattr(account, name)) / 1000:.3f}"


class AccountAdmin(StaffView):
    """Balances. Accounts come and go with their users; credit is added through the ledger."""

    can_create = False
    can_delete = False
    column_list = ("user", "credited_wh", "spent_wh", "balance_wh", "authorization", "service_account")
    column_details_list = column_list
    column_searchable_list = ("user.username", "user.email")
    column_filters = ("user.username", "user.is_active", "service_account")
    column_sortable_list = (
        *(("user", "user.username"), "credited_wh", "spent_wh"),
        *("balance_wh", "service_account"),
    )
    column_default_sort = "user.username"
    column_formatters = {
        "credited_wh": _kwh,
        "spent_wh": _kwh,
        "balance_wh": _kwh,
        "authorization": _authorization,
    }
    column_formatters_detail = column_formatters
    column_labels = {
        "user": lazy_gettext("User"),
        "user.username": lazy_gettext("User name"),
        "user.email": lazy_gettext("Email"),
        "user.is_active": lazy_gettext("Active"),
        "credited_wh": lazy_gettext("Credit (kWh)"),
        "spent_wh": lazy_gettext("Spent (kWh)"),
        "balance_wh": lazy_gettext("Balance (kWh)"),
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
    if field.data is None:  # no number: the field has said so
        return
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
    form_ajax_refs = {
        "account": PickedThrough(
            Account.user, "account", db, Account, fields=(User.username,), order_by=User.username
        )
    }

    def create_form(self, obj: Any = None) -> Form:
        """Fill in the account whose list entry led here."""
        form = super().create_form(obj)
        if request.method == "GET" and request.args.get("account", "").isdecimal():
            form.account.data = db.session.get(Account, request.args["account"])
        return form

    def make(self, work: UnitOfWork, form: Form) -> Credit:
        """A line of the ledger, by whoever is logged in."""
        return credit.add_credit(work, form.account.data, form.amount_kwh.data, staff())
