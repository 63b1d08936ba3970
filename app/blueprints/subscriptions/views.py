"""The HTTP endpoints of subscriptions."""

from __future__ import annotations

from flask import current_app, request
from flask.typing import ResponseReturnValue

from app import access, clock
from app.blueprints import Domain
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.subscriptions import forms, services
from app.blueprints.subscriptions.forms import SubscriptionOrder
from app.body import body
from app.db import db, unit_of_work

bp = Domain("subscriptions", __name__)


@bp.get("/products/")
@access.allow(access.ANYONE, json=True)
def products() -> ResponseReturnValue:
    """List what can be subscribed to."""
    return {
        "products": [
            {
                "id": row.id,
                "name": row.name,
                "description": row.description,
                "renewal_period": row.renewal_period,
            }
            for row in services.all_products(db.session())
        ]
    }


@bp.post("/subscribe/")
@access.allow(access.USER, json=True, only_post=True)
def subscribe() -> ResponseReturnValue:
    """Let an account take a product from today on."""
    order = SubscriptionOrder.parse(body())
    with unit_of_work() as work:
        account = services.get_account(work, order.account_id, _owner_id())
        product = services.get_product(work, order.product_id)
        today = clock.today(current_app.config["TIME_ZONE"])
        made = services.subscribe(work, account, product, today)
        told = audit.changes({}, audit.values(made))
        audit.record(work, _caller(), "create", made.__tablename__, made.id, told)
        return {"id": made.id}


@bp.get("/list/")
@access.allow(access.USER, json=True)
def list_subscriptions() -> ResponseReturnValue:
    """List what an account takes."""
    account = services.get_account(db.session(), forms.account_id(request.args), _owner_id())
    return {
        "subscriptions": [
            {"id": row.id, "product__name": row.product.name, "next_renewal": row.next_renewal.isoformat()}
            for row in services.subscriptions_of(db.session(), account)
        ]
    }


def _owner_id() -> int | None:
    """Whose accounts this caller may use: anybody's (None) with a token and for staff, else their own."""
    who = access.caller()
    return None if who.is_staff or who.by_token else _caller().id


def _caller() -> User:
    user = access.caller().user
    assert isinstance(user, User)  # the guard has let a user pass
    return user
