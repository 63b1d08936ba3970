"""The JSON addresses of subscriptions, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.subscriptions.errors import (
    BadId,
    IncompleteOrder,
    InvalidAccount,
    InvalidProduct,
    NoAccountNamed,
)
from app.openapi_base import Fragment, Node, answer, array, body, in_query, of, record, ref, refusals

OWN = "Drivers name their own account; staff and tokens any."


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Products, and the accounts that take them.",
        paths={
            "/subscriptions/products/": {"get": _products()},
            "/subscriptions/subscribe/": {"post": _subscribe()},
            "/subscriptions/list/": {"get": _list()},
        },
        schemas={"Product": PRODUCT, "Subscription": SUBSCRIPTION},
    )


def _products() -> Node:
    product = {"id": 1, "name": "Night rate", "description": "From ten to six.", "renewal_period": 30}
    listed = record({"products": array(ref("Product"))})
    return {"responses": {"200": answer("Every product.", listed, example={"products": [product]})}}


def _subscribe() -> Node:
    told = record({"account_id": of("integer"), "product_id": of("integer")})
    return {
        "description": OWN,
        "requestBody": body(told, {"account_id": 3, "product_id": 1}),
        "responses": {
            "200": answer("It is subscribed.", record({"id": of("integer")}), example={"id": 12}),
            **refusals(IncompleteOrder(), BadId("account_id"), InvalidProduct(), InvalidAccount()),
        },
    }


def _list() -> Node:
    taken = {"id": 12, "product__name": "Night rate", "next_renewal": "2026-03-02"}
    listed = record({"subscriptions": array(ref("Subscription"))})
    return {
        "description": OWN,
        "parameters": [{**in_query("account_id", "Whose.", of("integer")), "required": True}],
        "responses": {
            "200": answer("What it takes.", listed, example={"subscriptions": [taken]}),
            **refusals(NoAccountNamed(), BadId("account_id"), InvalidAccount()),
        },
    }


PRODUCT: Node = record(
    {
        "id": of("integer"),
        "name": of("string"),
        "description": of("string"),
        "renewal_period": of("integer", "Days."),
    },
    description="What can be subscribed to.",
)
SUBSCRIPTION: Node = record(
    {
        "id": of("integer"),
        "product__name": of("string"),
        "next_renewal": of("string", "A day in the site's zone.", format="date"),
    },
    description="A product that an account takes.",
)
