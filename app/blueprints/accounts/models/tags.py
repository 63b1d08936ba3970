"""Drivers' cards, and the files that bring many of them at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime
from app.leases import Leased

if TYPE_CHECKING:
    from app.blueprints.accounts.models.people import User


class RFID(Base):
    """A driver's card. OCPP calls it id tag and allows 20 characters."""

    __tablename__ = "rfid"

    id: Mapped[int] = mapped_column(primary_key=True)
    rfid: Mapped[str] = mapped_column(String(20), unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    allowed: Mapped[bool] = mapped_column(default=True)
    added_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Group id: tags of one parent may end each other's transactions (OCPP 1.6, 4.8).
    parent: Mapped[str | None] = mapped_column(String(20))

    user: Mapped[User | None] = relationship(back_populates="rfids")

    @validates("rfid", "parent")
    def _upper(self, _key: str, value: str | None) -> str | None:
        return value.strip().upper() if value else value

    @validates("allowed")
    def _disown(self, _key: str, value: bool) -> bool:
        if value is False:
            self.user = None
            self.user_id = None
        return value

    @property
    def state(self) -> str:
        """Where the tag is in its life: ``blacklisted``, ``expired``, ``no_owner`` or ``in_use``."""
        if not self.allowed:
            return "blacklisted"
        if self.expires_at is not None and self.expires_at <= utcnow():
            return "expired"
        return "no_owner" if self.user_id is None else "in_use"

    @property
    def blacklisted(self) -> bool:
        """The opposite of ``allowed``."""
        return not self.allowed

    @blacklisted.setter
    def blacklisted(self, value: bool) -> None:
        self.allowed = not value

    def __str__(self) -> str:
        return self.rfid


class TagImport(Leased, Base):
    """A file of tags that staff have sent: checked first, applied when they confirm, all of it or nothing.

    The worker does both; this row is what it has to do, and how far it is.

        waiting → checked → confirmed → applied
           ├→ bad               ├→ stale      it would do something else than staff were shown
           │                    ├→ checked    whoever confirmed it has been locked since
           └→ failed            └→ failed     workers died of it

    What has not been applied can be checked again (→ waiting) or discarded.
    """

    __tablename__ = "tag_import"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'checked', 'bad', 'confirmed', 'stale', 'applied', 'discarded', 'failed')",
            name="state",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    # When what it would do was found out: whoever confirms it has seen that, and not an earlier finding.
    checked_on: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When it was applied or discarded.
    finished_on: Mapped[datetime | None] = mapped_column(UTCDateTime)
    filename: Mapped[str] = mapped_column(String(255), default="")
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    # Workers that have begun what it waits for: a file that kills them must not do so for ever.
    attempts: Mapped[int] = mapped_column(default=0)
    # Lines in all (0: not known yet), and how many have been looked at: progress.
    lines: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    # What it will do, or did.
    created: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    # Bad lines in all, and the first of them: [number, kind, value].
    bad: Mapped[int] = mapped_column(default=0)
    problems: Mapped[list[Any]] = mapped_column(JSON, default=list, deferred=True)
    # The first changes, to look at before confirming: [rfid, before, after], each [user, allowed] or null.
    sample: Mapped[list[Any]] = mapped_column(JSON, default=list, deferred=True)
    # What else staff should know of it: [kind, value].
    notes: Mapped[list[Any]] = mapped_column(JSON, default=list)

    created_by: Mapped[User] = relationship(foreign_keys=created_by_id)
    confirmed_by: Mapped[User | None] = relationship(foreign_keys=confirmed_by_id)


class TagFile(Base):
    """What is bulky about an import, until that is applied or discarded.

    Not in its row, which is written anew with every word of progress and read by every look at it.
    """

    __tablename__ = "tag_file"

    import_id: Mapped[int] = mapped_column(ForeignKey("tag_import.id"), primary_key=True)
    # The file as it was sent.
    upload: Mapped[bytes] = mapped_column(LargeBinary)
    # What it asks for, as JSON that one statement can take.
    rows: Mapped[str | None] = mapped_column(Text)
    # Every bad line, packed.
    report: Mapped[bytes | None] = mapped_column(LargeBinary)
