"""Whom a tag logs in: one question to the database whatever the answer, so that its time tells nothing."""

from __future__ import annotations

import re

from sqlalchemy import Select, or_, select

from app.blueprints.accounts.models import RFID, User
from app.clock import utcnow
from app.db import UnitOfWork

# What a charger can send, too: CiString20Type (OCPP 1.6, 7.28).
ID_TAG = re.compile(r"[ -~]{1,20}")


def find(work: UnitOfWork, text: str) -> tuple[RFID, User] | None:
    """A tag that logs somebody in, and whom; None whatever is the matter with it."""
    found = work.execute(_usable().where(RFID.rfid == as_stored(text))).first()
    return None if found is None else (found[0], found[1])


def still_logs_in(work: UnitOfWork, tag_id: int, user_id: int) -> bool:
    """Whether a tag that this user logged in with would do so again."""
    return work.execute(_usable().where(RFID.id == tag_id, User.id == user_id)).first() is not None


def as_stored(text: str) -> str:
    """An id tag as the database has it; empty for a text that cannot be one."""
    text = text.strip()
    return text.upper() if ID_TAG.fullmatch(text) else ""


def _usable() -> Select[RFID, User]:
    """Allowed, in force, of a driver who is not locked: staff never log in by a tag alone."""
    return (
        select(RFID, User)
        .join(RFID.user)
        .where(
            RFID.allowed,
            or_(RFID.expires_at.is_(None), RFID.expires_at > utcnow()),
            User.is_active,
            ~or_(User.is_staff, User.is_superuser),
        )
    )
