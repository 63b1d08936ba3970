"""Why subscriptions refuses."""

from __future__ import annotations

from flask_babel import gettext

from app.domain_error import DomainError, NotFound


class IncompleteOrder(DomainError):
    """Nobody to subscribe, or nothing to subscribe to."""

    def __init__(self) -> None:
        super().__init__(gettext("account_id and product_id required"))


class NoAccountNamed(DomainError):
    """Whose subscriptions?"""

    def __init__(self) -> None:
        super().__init__(gettext("account_id required"))


class BadId(DomainError):
    """Not an id."""

    def __init__(self, name: str) -> None:
        super().__init__(gettext("%(name)s must be a whole number", name=name))


class InvalidProduct(NotFound):
    """There is no such product."""

    def __init__(self) -> None:
        super().__init__(gettext("invalid product"))


class InvalidAccount(NotFound):
    """There is no such account, or it is another user's: who asks is not told which."""

    def __init__(self) -> None:
        super().__init__(gettext("invalid account"))
