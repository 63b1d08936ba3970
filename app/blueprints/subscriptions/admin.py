"""Staff screens of products, and of who takes them."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext
from wtforms import Form, ValidationError
from wtforms.validators import InputRequired, NumberRange

from app import clock
from app.admin_base import PickedThrough, StaffView
from app.blueprints.accounts.models import Account, User
from app.blueprints.subscriptions import services
from app.blueprints.subscriptions.models import LONGEST_PERIOD_DAYS, Product, Subscription
from app.db import UnitOfWork, db


def _today() -> date:
    return clock.today(current_app.config["TIME_ZONE"])


class ProductAdmin(StaffView):
    """What can be subscribed to. One that somebody takes cannot be deleted."""

    column_list = ("id", "name", "description", "renewal_period")
    column_details_list = column_list
    column_searchable_list = ("name", "description")
    column_filters = ("name", "renewal_period")
    column_sortable_list = ("id", "name", "renewal_period")
    column_default_sort = "name"
    column_labels = {
        "id": lazy_gettext("Id"),
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("Description"),
        "renewal_period": lazy_gettext("Renewed every (days)"),
    }
    column_descriptions = {
        "renewal_period": lazy_gettext("A change counts from each subscription's next renewal on.")
    }
    form_columns = ("name", "description", "renewal_period")
    form_args = {"renewal_period": {"validators": [InputRequired(), NumberRange(1, LONGEST_PERIOD_DAYS)]}}

    def on_model_change(self, form: Form, model: Product, is_created: bool) -> None:
        """An empty description is a text too."""
        model.description = model.description or ""


class SubscriptionAdmin(StaffView):
    """Who takes what. Deleting a subscription ends it."""

    column_list = ("account", "product", "start_date", "next_renewal")
    column_details_list = column_list
    column_searchable_list = ("account.user.username", "product.name")
    column_filters = ("account.user.username", "product.name", "start_date", "next_renewal")
    column_sortable_list = (("product", "product.name"), "start_date", "next_renewal")
    column_default_sort = ("id", True)
    column_labels = {
        "account": lazy_gettext("Account"),
        "account.user.username": lazy_gettext("User name"),
        "product": lazy_gettext("Product"),
        "product.name": lazy_gettext("Product"),
        "start_date": lazy_gettext("Start"),
        "next_renewal": lazy_gettext("Next renewal"),
    }
    form_columns = ("account", "product", "start_date", "next_renewal")
    form_ajax_refs = {
        "account": PickedThrough(
            Account.user, "account", db, Account, fields=(User.username,), order_by=User.username
        ),
        "product": {"fields": ("name",), "page_size": 20, "order_by": "name"},
    }

    def create_form(self, obj: Any = None) -> Form:
        """The first renewal follows from the product; the start is today unless staff say otherwise."""
        form = super().create_form(obj)
        del form.next_renewal
        if form.start_date.raw_data is None:
            form.start_date.data = _today()
        return form

    def edit_form(self, obj: Any = None) -> Form:
        """Whose it is, what it is, and since when, is settled."""
        form = super().edit_form(obj)
        del form.account, form.product, form.start_date
        return form

    def make(self, work: UnitOfWork, form: Form) -> Subscription:
        """Subscribe, as the JSON address does."""
        return services.subscribe(work, form.account.data, form.product.data, form.start_date.data)

    def change(self, work: UnitOfWork, form: Form, row: Subscription) -> None:
        """Move the next renewal."""
        if form.next_renewal.data <= row.start_date:
            raise ValidationError(lazy_gettext("The next renewal comes after the start."))
        row.next_renewal = form.next_renewal.data


def views() -> list[StaffView]:
    """What the admin hangs up, in the order of its menu."""
    category = lazy_gettext("Subscriptions")
    return [
        ProductAdmin(Product, db, lazy_gettext("Products"), category, "admin_product", "products"),
        SubscriptionAdmin(Subscription, db, category, category, "admin_subscription", "subscriptions"),
    ]
