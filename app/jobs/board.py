"""How the work stands: jobs with their next run, what waits in the queues, and who is there to do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import utcnow
from app.db import UnitOfWork
from app.jobs import ledger, presence
from app.jobs.models import Job, WorkProcess
from app.queues import QUEUES

# A job that is due for longer, and that nobody runs, is late.
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Line:
    """One job."""

    job: Job
    due_at: datetime | None
    now: datetime

    @property
    def running_since(self) -> datetime | None:
        """When the run under way began; None when there is none, or its worker has died."""
        return self.job.started_at if ledger.is_running(self.job, self.now) else None

    @property
    def is_late(self) -> bool:
        """Whether it should have run a while ago."""
        return self.due_at is not None and self.running_since is None and self.due_at < self.now - LATE


@dataclass(frozen=True)
class Board:
    """All of it, at one moment."""

    lines: Sequence[Line]
    processes: Sequence[WorkProcess]
    # None while the broker cannot tell.
    waiting: Mapping[str, int] | None

    def alive(self, kind: str) -> Sequence[WorkProcess]:
        """The living processes of a kind."""
        return [process for process in self.processes if process.kind == kind]

    @property
    def unheard(self) -> list[str]:
        """Queues that no living worker listens to."""
        return [
            queue for queue in QUEUES if not any(presence.hears(process, queue) for process in self.processes)
        ]


def read(work: UnitOfWork, waiting: Mapping[str, int] | None, zone: str) -> Board:
    """The board as it stands. ``waiting`` comes from the broker (``doorbell.waiting``)."""
    now = utcnow()
    lines = [Line(job, ledger.due_at(job, zone), now) for job in ledger.every(work)]
    return Board(lines, presence.alive(work), waiting)
