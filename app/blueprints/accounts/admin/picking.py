"""What the staff screens of accounts share: who is at work, and how a user is picked."""

from __future__ import annotations

from app import access
from app.blueprints.accounts.models import User

PICK_USER = {"fields": ("username", "email"), "page_size": 20, "order_by": "username"}


def staff() -> User:
    """The member of staff behind this request."""
    user = access.caller().user
    assert isinstance(user, User)
    return user
