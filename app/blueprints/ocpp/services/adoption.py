"""Unknown tags that staff make known."""

from __future__ import annotations

from flask_babel import gettext
from sqlalchemy import delete, func, select

from app.blueprints.accounts.models import RFID
from app.blueprints.ocpp.models import UnknownTag
from app.db import UnitOfWork
from app.domain_error import DomainError

# OCPP 1.6, 7.28: an id tag has at most 20 characters; a longer one cannot be stored as a card.
MAX_LENGTH = 20


class TagTooLong(DomainError):
    """A charger sent something that no card can be."""

    def __init__(self, id_tag: str) -> None:
        super().__init__(
            gettext("%(id_tag)s… has more than 20 characters and cannot be adopted", id_tag=id_tag[:20])
        )


def adopt(work: UnitOfWork, id_tag: str) -> RFID:
    """Make a tag known: allowed, without an owner, and no longer unknown at any charger.

    A tag that has become known meanwhile stays as it is. Raises ``TagTooLong``.
    """
    id_tag = id_tag.strip().upper()
    if len(id_tag) > MAX_LENGTH:
        raise TagTooLong(id_tag)
    rfid = work.scalar(select(RFID).where(RFID.rfid == id_tag))
    if rfid is None:
        rfid = RFID(rfid=id_tag, allowed=True)
        work.add(rfid)
        work.flush()  # the audit entry names its id
    work.execute(delete(UnknownTag).where(func.upper(UnknownTag.id_tag) == id_tag))
    return rfid
