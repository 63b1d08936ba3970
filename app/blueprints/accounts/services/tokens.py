"""API tokens: 256 random bits, stored as their SHA-256, shown once."""

from __future__ import annotations

import hashlib
import re
import secrets

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.blueprints.accounts.errors import BadToken
from app.blueprints.accounts.models import ApiToken, User
from app.clock import utcnow
from app.db import UnitOfWork

# What a header can carry. How long a token of their own choice (API_TOKEN) should be, owners decide.
SENDABLE = re.compile(r"[\x21-\x7e]+")


def create_token(
    work: UnitOfWork, user: User, name: str = "", plain: str | None = None
) -> tuple[ApiToken, str]:
    """Give a user a token. Return the row, and the token itself: nobody can tell it again.

    ``plain`` is a token that the owner chose. Raises ``BadToken`` when it cannot be sent.
    """
    if plain is not None and not SENDABLE.fullmatch(plain):
        raise BadToken
    plain = plain or secrets.token_urlsafe(32)
    token = ApiToken(user=user, name=name, token_hash=_hash(plain))
    work.add(token)
    work.flush()  # callers name the token by id
    return token, plain


def find_token(work: UnitOfWork, plain: str) -> ApiToken | None:
    """The token in force, of an active user."""
    token = work.scalar(
        select(ApiToken).where(ApiToken.token_hash == _hash(plain)).options(joinedload(ApiToken.user))
    )
    if token is None or token.revoked_on or not token.user.is_active:
        return None
    return token


def revoke_token(token: ApiToken) -> None:
    """End a token, for good; once is enough."""
    token.revoked_on = token.revoked_on or utcnow()


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
