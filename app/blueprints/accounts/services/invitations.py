"""Letters with a link to choose a password: staff invite somebody, or somebody has forgotten theirs."""

from __future__ import annotations

import logging
import unicodedata
from datetime import timedelta

from sqlalchemy import func, or_, select

from app import mail
from app.blueprints.accounts.errors import LockedUser, NoEmail
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit, letters, links, users
from app.blueprints.accounts.services.links import Issuer
from app.clock import utcnow
from app.db import UnitOfWork
from app.domain_error import DomainError

log = logging.getLogger(__name__)

# A link that was sent may be used in peace: nobody else can have it replaced by a newer one before that.
RESEND_AFTER = timedelta(minutes=5)
# Users who share one email address and get a letter each.
MOST_LETTERS = 10


def invite(work: UnitOfWork, issuer: Issuer, user: User) -> None:
    """Send a (flushed) user a link to choose a password. Raises ``NoEmail`` or ``LockedUser``."""
    if not user.email:
        raise NoEmail(user.username)
    if not user.is_active:
        raise LockedUser(user.username)
    mail.queue(work, letters.invitation(issuer, user, links.make(issuer, links.INVITATION, user)))


def send_reset(work: UnitOfWork, issuer: Issuer, who: str, *, address: str) -> None:
    """Send whoever has this user name or email address a link to choose a new password.

    Nobody is told whether there is such a user. ``address`` is where the request came from, for the trail.
    """
    for user in _known_as(work, who.strip()):
        asked_at = user.reset_asked_at
        if asked_at is None or asked_at + RESEND_AFTER <= utcnow():
            audit.record(work, None, "ask for a reset", "user", user.id, {"address": address})
            letter = letters.password_reset(issuer, user, links.make(issuer, links.RESET, user))
            try:
                mail.queue(work, letter)
            except DomainError as refusal:  # whoever asks must not learn even that
                log.warning("no reset can be sent to user %s: %s", user.id, refusal.detail)


def choose_password(work: UnitOfWork, issuer: Issuer, token: str, password_hash: str) -> User:
    """Use a link up. Raises ``DeadLink``, also for the second of two who use it at once."""
    user = links.owner(work, issuer, token, to_change=True)
    users.set_hash(user, password_hash)
    user.last_login = utcnow()
    audit.record(work, user, "set password", "user", user.id, {"link": token.partition("-")[0]})
    return user


def _known_as(work: UnitOfWork, who: str) -> list[User]:
    """Users who may log in and can be written to, by name or email address."""
    if not who.isprintable():  # a text that no database holds
        return []
    known = [User.username == unicodedata.normalize("NFKC", who)]
    if "@" in who:
        known.append(func.lower(User.email) == who.lower())
    chosen = select(User).where(or_(*known), User.email != "", User.is_active).order_by(User.id)
    return list(work.scalars(chosen.limit(MOST_LETTERS).with_for_update()))
