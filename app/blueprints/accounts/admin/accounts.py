"""Staff screen of energy accounts: balances, and on each account's page its credits, cars and tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from flask import flash, redirect, request, url_for
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.model.template import LinkRowAction
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from wtforms import Form

from app.admin_base import StaffView
from app.admin_times import as_shown
from app.blueprints.accounts.admin.forms import CreditForm, VehicleForm, enter_credit
from app.blueprints.accounts.admin.picking import badge, kwh
from app.blueprints.accounts.admin.vehicles import warn_of_check_digit
from app.blueprints.accounts.models import Account, Credit, Vehicle
from app.blueprints.accounts.services import audit, vehicles
from app.db import UnitOfWork, db

# Credits on an account's page: the newest.
SHOWN = 20
# Rows that one link can name.
MOST = 500


def _authorization(_view: Any, _context: Any, account: Account, _name: str) -> Markup:
    """What a charger that asks for tags would be told now."""
    if not account.user.is_active:
        return badge("danger", gettext("Refused: the user is locked"))
    if account.service_account:
        return badge("info", gettext("Accepted: service account"))
    if account.may_charge():
        return badge("success", gettext("Accepted"))
    return badge("warning", gettext("Refused: no credit"))


def _kwh(_view: Any, _context: Any, account: Account, name: str) -> str:
    """Lists sort by whole Wh; people read kWh."""
    return kwh(Decimal(getattr(account, name)) / 1000)


class AccountAdmin(StaffView):
    """Balances. Accounts come and go with their users; credit is added through the ledger."""

    can_create = False
    can_delete = False
    details_template = "accounts/admin/account.html"
    edit_template = "accounts/admin/account_edit.html"
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
        ),
        LinkRowAction(
            "fa fa-check-circle-o",
            lambda _action, row_id, _row: url_for("authorization.index", account=row_id),
            lazy_gettext("Test authorization"),
        ),
    ]

    @action("test_authorization", lazy_gettext("Test authorization"))
    def action_test_authorization(self, ids: Sequence[str]) -> Any:
        """Say for each account why it may charge, or why not."""
        return redirect(url_for("authorization.index", account=ids[:MOST]))

    @expose("/credit/", methods=("POST",))
    def credit_view(self) -> Any:
        """Add credit on an account's own page."""
        form = CreditForm(request.form)
        return self._add("credit_form", form, enter_credit, self._credit_added)

    @expose("/vehicle/", methods=("POST",))
    def vehicle_view(self) -> Any:
        """Add a car on an account's own page."""
        form = VehicleForm(request.form)
        return self._add("vehicle_form", form, self._add_vehicle, self._vehicle_added)

    def _add(
        self,
        name: str,
        form: Form,
        add: Callable[[UnitOfWork, Account, Form], Any],
        added: Callable[[Any], None],
    ) -> Any:
        account = self.get_one(request.args.get("id", ""))
        if account is None:
            flash(gettext("Record does not exist."), "error")
            return redirect(self.get_url(".index_view"))
        if form.validate() and (row := self.written(lambda work: add(work, account, form))) is not None:
            added(row)
            return redirect(self.get_url(".details_view", id=account.id))
        return self.render(
            self.details_template,
            model=account,
            details_columns=self._details_columns,
            get_value=self.get_detail_value,
            return_url=self.get_url(".index_view"),
            **{name: form},
        )

    def _credit_added(self, line: Credit) -> None:
        flash(gettext("%(amount)s kWh added.", amount=kwh(line.amount_kwh, 2)), "success")

    def _add_vehicle(self, work: UnitOfWork, account: Account, form: Form) -> Vehicle:
        told = {"brand": form.brand.data, "model": form.model.data, "number": form.vin.data}
        vehicle = vehicles.add_vehicle(work, account, **told)
        self.audit(work, "create", vehicle, audit.changes({}, audit.values(vehicle)))
        return vehicle

    def _vehicle_added(self, vehicle: Vehicle) -> None:
        flash(gettext("%(vehicle)s added.", vehicle=vehicle), "success")
        warn_of_check_digit(vehicle)

    def render(self, template: str, **kwargs: Any) -> Any:
        """An account's page shows more than its columns."""
        if template in (self.details_template, self.edit_template):
            kwargs = self._around(kwargs["model"]) | kwargs
        return super().render(template, **kwargs)

    def _around(self, account: Account) -> dict[str, Any]:
        work = db.session()
        credits = select(Credit).where(Credit.account_id == account.id).options(joinedload(Credit.created_by))
        cars = select(Vehicle).where(Vehicle.account_id == account.id).order_by(Vehicle.id)
        return {
            "credits": work.scalars(credits.order_by(Credit.id.desc()).limit(SHOWN)).all(),
            "vehicles": work.scalars(cars.limit(SHOWN)).all(),
            "credit_form": CreditForm(),
            "vehicle_form": VehicleForm(),
            "kwh": kwh,
            "moment": as_shown,
        }
