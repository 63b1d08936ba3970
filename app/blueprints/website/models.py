"""Which domain label serves a host name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, event
from sqlalchemy.orm import Mapped, mapped_column, object_session, validates

from app.db import Base

# Key in a session's info.
SITES_CHANGED = "sites_changed"


class Site(Base):
    """A host name of this installation: ``charge.example.com`` → ``ocpp``."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(String(253), unique=True)
    label: Mapped[str] = mapped_column(String(40))

    @validates("domain")
    def _lower(self, _key: str, value: str) -> str:
        return value.strip().lower()

    def __str__(self) -> str:
        return self.domain


@event.listens_for(Site, "after_insert")
@event.listens_for(Site, "after_update")
@event.listens_for(Site, "after_delete")
def _mark(_mapper: Any, _connection: Any, site: Site) -> None:
    """Note on the session that its commit changes the site map."""
    if session := object_session(site):
        session.info[SITES_CHANGED] = True
