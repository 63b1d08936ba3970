"""The scheduler's rounds: which jobs are due, and whether to ring (again) for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.clock import utcnow
from app.db import UnitOfWork
from app.jobs import ledger, presence
from app.jobs.models import Job, WorkProcess

# Seconds between two rounds at most.
LOOK_S = 5.0
# How long after it a bell that no worker has followed is rung again; twice as long each time.
AGAIN, AGAIN_AT_MOST = timedelta(minutes=1), timedelta(hours=1)

# Rings for a job of this name and queue; False when the broker could not be told.
Ring = Callable[[str, str], bool]


class Rounds:
    """What one scheduler has rung for. Several do no harm: a job runs when its row says that it is due."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._bells: dict[str, _Bell] = {}

    def look(self, work: UnitOfWork, zone: str) -> float:
        """Ring for every job that is due; return the seconds until the next look."""
        now, pause = utcnow(), LOOK_S
        living: Sequence[WorkProcess] | None = None
        for job in ledger.every(work):
            due = ledger.due_at(job, zone)
            if due is None or ledger.is_running(job, now):
                continue
            if due > now:
                pause = min(pause, (due - now).total_seconds())
                continue
            living = presence.alive(work) if living is None else living
            self._ring_for(job, living, now)
        return max(pause, 0.05)

    def _ring_for(self, job: Job, living: Sequence[WorkProcess], now: datetime) -> None:
        """Ring, unless a worker may still come to the last bell, or nobody would hear another."""
        workers = [one for one in living if presence.hears(one, job.queue)]
        newest = max((one.since for one in workers), default=None)
        bell = self._bells.get(job.task)
        if bell is None or not bell.is_for(job, newest):
            bell = self._bells[job.task] = _Bell(job, newest)
        elif not bell.may_ring(now, is_heard=bool(workers)):
            return
        if self._ring(job.task, job.queue):
            bell.rung(now)


class _Bell:
    """When to ring again for a job that is due."""

    def __init__(self, job: Job, newest_worker: datetime | None) -> None:
        self._due = (job.done_until, job.asked_at)
        self._newest_worker = newest_worker
        self._pause = AGAIN
        self._again_at: datetime | None = None

    def is_for(self, job: Job, newest_worker: datetime | None) -> bool:
        """Whether it was rung for this, and for the workers that there are."""
        known = newest_worker is None or newest_worker == self._newest_worker
        return known and self._due == (job.done_until, job.asked_at)

    def may_ring(self, now: datetime, *, is_heard: bool) -> bool:
        """Whether to ring: again after a while, if there is anybody to hear it."""
        return self._again_at is None or (is_heard and now >= self._again_at)

    def rung(self, now: datetime) -> None:
        """It has been rung."""
        self._again_at = now + self._pause
        self._pause = min(self._pause * 2, AGAIN_AT_MOST)
