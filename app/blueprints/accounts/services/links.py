"""Links that let somebody choose a password: they work once, end by themselves, and are stored nowhere.

A link is the user's id and a signature over everything that must not have changed since it was made: the
password, the login sessions, the email address, and when the newest link of its kind was asked for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import Signer
from sqlalchemy import select

from app.blueprints.accounts.errors import DeadLink
from app.blueprints.accounts.models import User
from app.clock import utcnow
from app.db import UnitOfWork

TOKEN = re.compile(r"(?P<kind>[a-z]+)-(?P<user_id>[0-9]{1,9})\.[\w-]+", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """Why somebody gets a link, and how long it works."""

    name: str
    lifetime: timedelta
    # The column that says when the newest one was made.
    made_at: str


INVITATION = Kind("invitation", timedelta(hours=72), "invited_at")
RESET = Kind("reset", timedelta(hours=1), "reset_asked_at")
KINDS = {kind.name: kind for kind in (INVITATION, RESET)}


@dataclass(frozen=True)
class Issuer:
    """The installation that links are made by and lead to."""

    secret_key: str
    # Never taken from a request: whoever asks for a link must not choose where it leads.
    public_url: str
    # The language of mails to whoever has not chosen one.
    language: str


def make(issuer: Issuer, kind: Kind, user: User) -> str:
    """The address of a new link for a (flushed) user; an older one of its kind is dead from now on."""
    setattr(user, kind.made_at, utcnow())
    token = _signer(issuer, kind, user).sign(f"{kind.name}-{user.id}").decode()
    return f"{issuer.public_url}/login/set-password/{token}/"


def owner(work: UnitOfWork, issuer: Issuer, token: str, *, to_change: bool = False) -> User:
    """Whose link this is. Raises ``DeadLink``, whatever is the matter with it.

    ``to_change`` keeps the row until the end of the unit of work: of two at once, the second finds it used.
    """
    parts = TOKEN.fullmatch(token)
    if parts is None or parts["kind"] not in KINDS:
        raise DeadLink
    kind = KINDS[parts["kind"]]
    chosen = select(User).where(User.id == int(parts["user_id"])).execution_options(populate_existing=True)
    user = work.scalar(chosen.with_for_update() if to_change else chosen)
    if user is None or not user.is_active or not _works(kind, user):
        raise DeadLink
    if not _signer(issuer, kind, user).validate(token):
        raise DeadLink
    return user


def _works(kind: Kind, user: User) -> bool:
    made_at: datetime | None = getattr(user, kind.made_at)
    return made_at is not None and made_at <= utcnow() < made_at + kind.lifetime


def _signer(issuer: Issuer, kind: Kind, user: User) -> Signer:
    made_at: datetime = getattr(user, kind.made_at)
    state = (kind.name, made_at.isoformat(), user.session_key, user.password, user.email)
    return Signer(
        issuer.secret_key,
        salt="\0".join(state),
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )
