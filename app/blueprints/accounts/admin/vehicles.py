"""Staff screen of cars."""

from __future__ import annotations

from typing import Any

from flask import flash
from flask_babel import gettext, lazy_gettext
from wtforms import Form

from app.admin_base import StaffView
from app.blueprints.accounts import vin
from app.blueprints.accounts.admin.forms import is_free_vin, stripped
from app.blueprints.accounts.admin.picking import OfUser, fill_in_account, pick_account
from app.blueprints.accounts.models import Vehicle


class VehicleAdmin(StaffView):
    """Cars, each on one account."""

    column_list = ("account", "brand", "model", "vin")
    column_details_list = column_list
    column_searchable_list = ("vin", "brand", "model", "account.user.username")
    column_filters = (
        OfUser(Vehicle.account_id, lazy_gettext("Account")),
        *("account.user.username", "brand", "model", "vin"),
    )
    column_sortable_list = ("brand", "model", "vin")
    column_default_sort = ("id", True)
    column_labels = {
        "account": lazy_gettext("Account"),
        "account.user.username": lazy_gettext("User name"),
        "brand": lazy_gettext("Brand"),
        "model": lazy_gettext("Model"),
        "vin": lazy_gettext("VIN"),
    }
    column_descriptions = {"vin": lazy_gettext("17 letters and digits, without I, O and Q.")}
    form_columns = ("account", "brand", "model", "vin")
    form_args = {
        "brand": {"filters": [stripped]},
        "model": {"filters": [stripped]},
        "vin": {"validators": [is_free_vin]},
    }
    form_ajax_refs = {"account": pick_account()}

    def create_form(self, obj: Any = None) -> Form:
        """Fill in the account whose page led here."""
        form = super().create_form(obj)
        fill_in_account(form)
        return form

    def after_model_change(self, form: Form, model: Vehicle, is_created: bool) -> None:
        """A number that was mistyped is worth a look."""
        warn_of_check_digit(model)


def warn_of_check_digit(vehicle: Vehicle) -> None:
    """Say that a check digit does not fit: a mistake, or a car that was not made for North America."""
    if not vin.has_check_digit(vehicle.vin):
        flash(
            gettext(
                "The check digit of %(vin)s (position 9) does not fit the rest. Compare it with the car's "
                "papers; cars from Europe carry none.",
                vin=vehicle.vin,
            ),
            "warning",
        )
