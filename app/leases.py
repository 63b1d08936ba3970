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

# No lease is this long: one that ends later was taken by a clock that ran ahead, and is nobody's.
LONGEST = timedelta(hours=1)


class Leased:
    """Columns of a row that one worker at a time works on."""

    leased_by: Mapped[str] = mapped_column(String(100), default="")
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


def new_holder() -> str:
    """A name for one run of one task: nobody else has ever had it."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"


def free(model: Any, now: datetime) -> ColumnElement[bool]:
    """The rows that nobody has."""
    until = model.leased_until
    return or_(until.is_(None), until <= now, until > now + LONGEST)


def is_free(leased_until: datetime | None, now: datetime) -> bool:
    """The same, of one row."""
    return leased_until is None or not now < leased_until <= now + LONGEST


def take(
    work: UnitOfWork, model: Any, *which: ColumnElement[bool], holder: str, seconds: float, limit: int,
    order_by: Any = None,
) -> list[int]:  # fmt: skip
    """Lease at most ``limit`` of the rows that ``which`` chooses and nobody has; return their ids.

    Two workers that ask at once get different rows.
    """
    now = utcnow()
    chosen = (
        select(model.id).where(free(model, now), *which).order_by(model.id if order_by is None else order_by)
    )
    # Two statements: as a subquery, PostgreSQL may run the choice several times, and so lease too many.
    ids = work.scalars(chosen.limit(limit).with_for_update(skip_locked=True)).all()
    work.execute(
        update(model)
        .where(model.id.in_(ids))
        .values(leased_by=holder, leased_until=now + timedelta(seconds=seconds))
        .execution_options(synchronize_session=False)
    )
    return sorted(ids)


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
