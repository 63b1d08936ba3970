"""Nodes: the installations that know of each other."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import utcnow
from app.db import Base, Timestamp

DEFAULT_PORT = 8000
# A node that registers every five minutes may miss twice.
STALE_AFTER = timedelta(minutes=15)


class Node(Base):
    """An installation of this project: where it says that it is, and when it last said so."""

    __tablename__ = "node"
    __table_args__ = (CheckConstraint("port BETWEEN 1 AND 65535", name="port"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hostname: Mapped[str] = mapped_column(String(253), unique=True)
    # IPv4 or IPv6, in its shortest form.
    address: Mapped[str] = mapped_column(String(45))
    port: Mapped[int] = mapped_column(default=DEFAULT_PORT)
    last_seen: Mapped[Timestamp] = mapped_column(default=utcnow)

    @property
    def is_stale(self) -> bool:
        """Whether it has not been heard of for longer than it should be silent."""
        return utcnow() - self.last_seen > STALE_AFTER

    def __str__(self) -> str:
        return self.hostname
