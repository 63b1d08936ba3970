"""Leases: which worker has a row in hand, and for how long it may be silent about it.

The row is the truth and the broker only a doorbell: whoever takes a lease works, everybody else leaves
the row alone, and a worker that dies loses its leases by itself.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import utcnow
from app.db import UnitOfWork, UTCDateTime


class Leased:
    """Columns of a row that one worker at a time works on."""

    leased_by: Mapped[str] = mapped_column(String(100), default="")
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


def new_holder() -> str:
    """A name for one run of one task: nobody else has ever had it."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"


def take(
    work: UnitOfWork, model: Any, *which: ColumnElement[bool], holder: str, seconds: float, limit: int,
    order_by: Any = None,
) -> list[int]:  # fmt: skip
    """Lease at most ``limit`` of the rows that ``which`` chooses and nobody has; return their ids.

    Two workers that ask at once get different rows.
    """
    free = or_(model.leased_until.is_(None), model.leased_until <= utcnow())
    chosen = (
        select(model.id)
        .where(free, *which)
        .order_by(model.id if order_by is None else order_by)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # Asked once: PostgreSQL may ask a subquery for each row, and it skips what it has locked before.
        .cte("chosen")
    )
    taken = (
        update(model)
        .where(model.id.in_(select(chosen.c.id)))
        .values(leased_by=holder, leased_until=utcnow() + timedelta(seconds=seconds))
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(work.scalars(taken))


def renew(work: UnitOfWork, model: Any, ids: Iterable[int], *, holder: str, seconds: float) -> set[int]:
    """Keep leases for longer; return those that are still the holder's: the others it must let go of."""
    kept = (
        update(model)
        .where(model.id.in_(list(ids)), model.leased_by == holder)
        .values(leased_until=utcnow() + timedelta(seconds=seconds))
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    return set(work.scalars(kept))


def release(work: UnitOfWork, model: Any, ids: Iterable[int], *, holder: str) -> None:
    """Hand rows back, at once; what another has taken meanwhile stays theirs."""
    work.execute(
        update(model)
        .where(model.id.in_(list(ids)), model.leased_by == holder)
        .values(leased_by="", leased_until=None)
        .execution_options(synchronize_session=False)
    )
