"""What the trail keeps of attempts that were too many. A name that is nobody's may be a mistyped secret."""

from __future__ import annotations

from sqlalchemy import select

from app.blueprints.accounts.models import RFID
from app.blueprints.accounts.services import audit, holders, users
from app.db import UnitOfWork


def note(work: UnitOfWork, purpose: str, name: str | None, *, address: str) -> None:
    """Remember who was tried too often, and from where; ``name`` is None where only the address was."""
    subject, found = "", None
    if name is not None and purpose == "tag":
        subject = "rfid"
        found = work.scalar(select(RFID.id).where(RFID.rfid == holders.as_stored(name)))
    elif name is not None:
        user = users.find_user(work, name)
        subject, found = "user", user.id if user else None
    details = {"purpose": purpose, "address": address}
    audit.record(work, None, "too many attempts", subject, "" if found is None else found, details)
