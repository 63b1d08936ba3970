"""Which processes of this installation live: each says so now and then; one that is killed falls silent."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from app.clock import utcnow
from app.db import UnitOfWork
from app.jobs.models import WorkProcess

# Seconds between two signs of life, and after which a silent process is taken for dead.
TELL_S = 15.0
DEAD_AFTER_S = 50.0
# How long the dead are remembered.
REMEMBER = timedelta(days=1)
WEB, WORKER, BEAT = "web", "worker", "beat"


@dataclass(frozen=True)
class Me:
    """This process, as the others know it."""

    kind: str
    queues: str = ""
    host: str = field(default_factory=lambda: socket.gethostname()[:60])
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def name(self) -> str:
        """Nobody else has ever had it."""
        return f"{self.host}:{self.pid}:{self.token}"


def tell(work: UnitOfWork | Connection, me: Me, doing: Sequence[Mapping[str, Any]] = ()) -> None:
    """This process lives. One that could not say so for a while begins anew."""
    now = utcnow()
    until = now + timedelta(seconds=DEAD_AFTER_S)
    again = update(WorkProcess).where(WorkProcess.name == me.name)
    since = case((WorkProcess.alive_until < now, now), else_=WorkProcess.since)
    values = {"since": since, "seen_at": now, "alive_until": until, "doing": list(doing)}
    told = work.execute(again.values(values).returning(WorkProcess.id))
    if told.first() is None:
        row = {"name": me.name, "kind": me.kind, "host": me.host, "pid": me.pid, "queues": me.queues}
        times = {"since": now, "seen_at": now, "alive_until": until}
        work.execute(insert(WorkProcess).values(doing=list(doing), **row, **times))


def leave(work: UnitOfWork | Connection, me: Me) -> None:
    """This process ends."""
    work.execute(delete(WorkProcess).where(WorkProcess.name == me.name))


def alive(work: UnitOfWork) -> Sequence[WorkProcess]:
    """The processes that live, the longest-lived first."""
    living = select(WorkProcess).where(WorkProcess.alive_until >= utcnow())
    return work.scalars(
        living.order_by(WorkProcess.since, WorkProcess.id).execution_options(populate_existing=True)
    ).all()


def hears(process: WorkProcess, queue: str) -> bool:
    """Whether it is a worker that listens to this queue."""
    return process.kind == WORKER and queue in process.queues.split(",")


def hearing_since(work: UnitOfWork) -> datetime | None:
    """Since when there has been a web process that chargers could reach; None: there is none now."""
    web = select(func.min(WorkProcess.since)).where(WorkProcess.kind == WEB)
    return work.scalar(web.where(WorkProcess.alive_until >= utcnow()))


def forget_the_dead(work: UnitOfWork) -> int:
    """Delete what processes that were killed have left behind; return how many there were.

    Nobody is alive for a day ahead: a clock that ran ahead said so.
    """
    now, until = utcnow(), WorkProcess.alive_until
    gone = delete(WorkProcess).where(or_(until < now - REMEMBER, until > now + REMEMBER))
    return len(work.execute(gone.returning(WorkProcess.id)).all())
