"""Tables of the work that is done outside of requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime
from app.leases import Leased


class Job(Leased, Base):
    """A task that the worker has run, or runs by a schedule; the lease is of the run that is under way."""

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(primary_key=True)
    # Celery's name of it, and where it waits.
    task: Mapped[str] = mapped_column(String(100), unique=True)
    queue: Mapped[str] = mapped_column(String(40), default="")
    # See ``schedules``; empty: nothing starts it by itself.
    schedule: Mapped[str] = mapped_column(String(100), default="")
    # Its schedule is done up to here.
    done_until: Mapped[Timestamp] = mapped_column(default=utcnow)
    # Staff want it run, whatever the schedule.
    asked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Runs that were begun and have not come to an end: they may have ended their worker.
    tries: Mapped[int] = mapped_column(default=0)
    # The newest run.
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    seconds: Mapped[float] = mapped_column(default=0.0)
    ok: Mapped[bool | None]
    # What it returned, or why it failed.
    outcome: Mapped[str] = mapped_column(Text, default="")
    succeeded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failure: Mapped[str] = mapped_column(Text, default="")
    # Totals over all runs, also those that the history has forgotten.
    successes: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    total_seconds: Mapped[float] = mapped_column(default=0.0)

    def __str__(self) -> str:
        return self.task


class JobRun(Base):
    """Runs of a job one after the other that came to the same end: one row, however many."""

    __tablename__ = "job_run"
    __table_args__ = (Index("ix_job_run_job", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    worker: Mapped[str] = mapped_column(String(100), default="")
    # Of the first, and of the last.
    started_at: Mapped[Timestamp]
    finished_at: Mapped[Timestamp]
    # Of the last.
    seconds: Mapped[float] = mapped_column(default=0.0)
    ok: Mapped[bool]
    outcome: Mapped[str] = mapped_column(Text, default="")
    times: Mapped[int] = mapped_column(default=1)

    job: Mapped[Job] = relationship()


class WorkProcess(Base):
    """A process of this installation that says now and then that it lives."""

    __tablename__ = "work_process"

    id: Mapped[int] = mapped_column(primary_key=True)
    # Nobody else has ever had it.
    name: Mapped[str] = mapped_column(String(100), unique=True)
    # web, worker or beat.
    kind: Mapped[str] = mapped_column(String(10))
    host: Mapped[str] = mapped_column(String(100))
    pid: Mapped[int]
    # Those that a worker listens to, separated by commas.
    queues: Mapped[str] = mapped_column(String(200), default="")
    # Heard of without a gap since then, and when last; dead when it stays silent for longer.
    since: Mapped[Timestamp]
    seen_at: Mapped[Timestamp]
    alive_until: Mapped[Timestamp]
    # What a worker is doing: ``[{"task": …, "since": …}]``.
    doing: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
