"""What can be done with Odoo servers: want checks, hand them out, and write down what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import undefer

from app import leases
from app.blueprints.odoo.client import Login, Report
from app.blueprints.odoo.models import Instance, InstanceCheck
from app.clock import utcnow
from app.db import UnitOfWork
from app.domain_error import NotFound

# A check takes ten seconds at most, and writing it down may wait for the database.
LEASE_S = 60.0
# Checks of one instance that are kept, and for how long.
KEPT = 1000
KEPT_FOR = timedelta(days=90)
# What a column of ids holds.
LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Job:
    """One check that a worker has taken."""

    instance_id: int
    login: Login


def get_instance(work: UnitOfWork, instance_id: int) -> Instance:
    """The instance with this id. Raises ``NotFound``."""
    found = work.get(Instance, instance_id) if 0 < instance_id <= LARGEST_ID else None
    if found is None:
        raise NotFound("not found")
    return found


def login_of(instance: Instance) -> Login:
    """Where to log in, as whom."""
    return Login(instance.url, instance.database, instance.username, instance.password)


def ask(instance: Instance) -> None:
    """Want a check. One that is under way will do, and whoever waits keeps the place in the queue."""
    if instance.state != "checking" and instance.asked_at is None:
        instance.asked_at = utcnow()


def ask_anew(instance: Instance) -> None:
    """Want a check with what the instance is now: what comes of one that is under way is no longer true."""
    instance.asked_at = utcnow()
    instance.leased_by, instance.leased_until = "", None


def take(work: UnitOfWork, *, holder: str, limit: int, every: timedelta | None) -> list[Job]:
    """Lease at most ``limit`` instances that are to be checked: those that somebody asked for come first.

    ``every``: how long after one check the next is due; None when only those asked for are.
    """
    wanted: Any = Instance.asked_at.is_not(None)
    if every is not None:
        last = Instance.last_checked_at
        wanted = or_(wanted, last.is_(None), last <= utcnow() - every)
    first = Instance.asked_at.asc().nulls_last()
    ids = leases.take(work, Instance, wanted, holder=holder, seconds=LEASE_S, limit=limit, order_by=first)
    taken = select(Instance).where(Instance.id.in_(ids)).options(undefer(Instance.password))
    rows = work.scalars(taken.execution_options(populate_existing=True))
    return [Job(row.id, login_of(row)) for row in rows]


def finish(work: UnitOfWork, job: Job, report: Report, *, holder: str) -> None:
    """Write down what came of a job and end its lease; nothing when it is no longer the holder's."""
    mine = (Instance.id == job.instance_id, Instance.leased_by == holder)
    if _set(work, *mine, leased_by="", leased_until=None, asked_at=None):
        record(work, job.instance_id, report)


def record(work: UnitOfWork, instance_id: int, report: Report) -> None:
    """Write down what came of a check; nothing when the instance has been deleted meanwhile."""
    now = utcnow()
    state: dict[str, Any] = {
        "last_checked_at": now,
        "last_outcome": report.outcome,
        "last_fact": report.fact,
    }
    state |= {"version": report.version} if report.version else {}
    state |= {"last_ok_at": now} if report.is_ok else {}
    if not _set(work, Instance.id == instance_id, **state):
        return
    check = {"outcome": report.outcome, "fact": report.fact, "duration_ms": report.duration_ms}
    work.execute(insert(InstanceCheck).values(instance_id=instance_id, at=now, **check))
    _forget_old(work, instance_id, now)


def newest_checks(work: UnitOfWork, instance: Instance, limit: int) -> Sequence[InstanceCheck]:
    """The last checks of an instance, newest first."""
    of_it = select(InstanceCheck).where(InstanceCheck.instance_id == instance.id)
    return work.scalars(of_it.order_by(InstanceCheck.id.desc()).limit(limit)).all()


def remove(work: UnitOfWork, instance: Instance) -> None:
    """Delete the checks of an instance, so that it can be deleted itself."""
    work.execute(delete(InstanceCheck).where(InstanceCheck.instance_id == instance.id))


def _set(work: UnitOfWork, *which: Any, **values: Any) -> bool:
    """Change the instance that ``which`` chooses; False when there is none."""
    changed = update(Instance).where(*which).values(**values).returning(Instance.id)
    return work.scalar(changed.execution_options(synchronize_session=False)) is not None


def _forget_old(work: UnitOfWork, instance_id: int, now: datetime) -> None:
    """Keep the history of an instance short: at each check one falls out at its end."""
    of_it = InstanceCheck.instance_id == instance_id
    beyond = select(InstanceCheck.id).where(of_it).order_by(InstanceCheck.id.desc()).offset(KEPT).limit(1)
    old = or_(InstanceCheck.id <= beyond.scalar_subquery(), InstanceCheck.at < now - KEPT_FOR)
    work.execute(delete(InstanceCheck).where(of_it, old).execution_options(synchronize_session=False))
