"""What a request to subscriptions must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.blueprints.subscriptions.errors import BadId, IncompleteOrder, NoAccountNamed


@dataclass(frozen=True)
class SubscriptionOrder:
    """Who takes what."""

    account_id: int
    product_id: int

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> SubscriptionOrder:
        """Read ``account_id`` and ``product_id``. Raises ``IncompleteOrder`` or ``BadId``."""
        if any(given.get(name) in (None, "") for name in ("account_id", "product_id")):
            raise IncompleteOrder
        return cls(_id(given, "account_id"), _id(given, "product_id"))


def account_id(given: Mapping[str, str]) -> int:
    """Whose subscriptions. Raises ``NoAccountNamed`` or ``BadId``."""
    if not given.get("account_id"):
        raise NoAccountNamed
    return _id(given, "account_id")


def _id(given: Mapping[str, Any], name: str) -> int:
    text = str(given[name]).strip()
    if isinstance(given[name], bool) or not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise BadId(name)
    return int(text)
