"""The ledger of jobs: which are due, who runs them, and what came of it.

The row decides, not the broker: a job that a schedule or staff start runs when its row says that it is due,
under a lease, and is done when the row says so. Two schedulers, a bell rung twice, a worker killed: it is all
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app import leases
from app.clock import utcnow
from app.db import UnitOfWork
from app.jobs import schedules
from app.jobs.models import Job, JobRun

# Seconds that a run's worker may be silent before another may begin it again.
LEASE_S = 60.0
# The clocks of two machines differ by less.
SKEW = timedelta(seconds=5)
# A job that ends its worker so many times is given up until it is due anew.
MAX_TRIES = 3
# Runs, or rows of runs that came to the same, that are remembered of each job.
KEPT = 100
LONGEST_OUTCOME = 500
# Nothing of the ledger lies further ahead than this, unless a clock ran ahead.
AHEAD = timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    """One line of the schedule."""

    task: str
    queue: str
    # As ``schedules`` has it.
    schedule: str


@dataclass(frozen=True)
class Claim:
    """The right to run a job now, alone."""

    task: str
    holder: str
    # What its schedule will be done up to.
    until: datetime


@dataclass(frozen=True)
class Ended:
    """One run that has come to its end."""

    task: str
    queue: str
    worker: str
    started_at: datetime
    finished_at: datetime
    ok: bool
    outcome: str
    claim: Claim | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


def take_over(work: UnitOfWork, entries: Iterable[Entry]) -> None:
    """Make the schedule known; a job that is not on it any more keeps its history."""
    wanted = {entry.task: entry for entry in entries}
    for task, entry in wanted.items():
        _ensure(work, task, entry.queue)
        changed = update(Job).where(Job.task == task)
        changed = changed.where(or_(Job.schedule != entry.schedule, Job.queue != entry.queue))
        work.execute(changed.values(schedule=entry.schedule, queue=entry.queue))
    work.execute(update(Job).where(Job.task.not_in(wanted), Job.schedule != "").values(schedule=""))


def mend(work: UnitOfWork) -> None:
    """Set right what a clock that ran ahead has written: nothing would run until that time had come."""
    now = utcnow()
    for column, right in (
        (Job.done_until, {"done_until": now}),
        (Job.asked_at, {"asked_at": now}),
        (Job.leased_until, {"leased_by": "", "leased_until": None}),
    ):
        work.execute(update(Job).where(column > now + AHEAD).values(right))


def every(work: UnitOfWork) -> Sequence[Job]:
    """All jobs, by name."""
    return work.scalars(select(Job).order_by(Job.task).execution_options(populate_existing=True)).all()


def due_at(job: Job, zone: str) -> datetime | None:
    """When a job is to run next; in the past when it waits. None: nothing starts it by itself."""
    times = [schedules.next_after(job.schedule, job.done_until, zone)] if job.schedule else []
    if job.asked_at is not None:
        times.append(job.asked_at)
    return min(times, default=None)


def is_running(job: Job, now: datetime) -> bool:
    """Whether a worker has it in hand."""
    return job.leased_until is not None and job.leased_until > now


def ask(work: UnitOfWork, task: str) -> Job | None:
    """Want a job run as soon as a worker can; None when no job of the schedule has this name."""
    job = work.scalar(select(Job).where(Job.task == task, Job.schedule != ""))
    if job is not None:
        job.asked_at = utcnow()
    return job


def claim(work: UnitOfWork, task: str, worker: str, zone: str) -> Claim | None:
    """Take a job that is due; None when it is not, or when another has it in hand."""
    now = utcnow()
    job = work.scalar(
        select(Job).where(Job.task == task).with_for_update().execution_options(populate_existing=True)
    )
    due = due_at(job, zone) if job is not None else None
    if job is None or due is None or due > now + SKEW or is_running(job, now):
        return None
    until = now if due == job.asked_at else max(now, due)
    if job.tries >= MAX_TRIES:
        _give_up(work, job, worker, until)
        return None
    job.leased_by, job.leased_until = leases.new_holder(), now + timedelta(seconds=LEASE_S)
    job.started_at, job.tries = now, job.tries + 1
    return Claim(task, job.leased_by, until)


def renew(work: UnitOfWork, claims: Iterable[Claim]) -> None:
    """The runs under way are still under way."""
    for claim in claims:
        leased = update(Job).where(Job.task == claim.task, Job.leased_by == claim.holder)
        work.execute(leased.values(leased_until=utcnow() + timedelta(seconds=LEASE_S)))


def hand_back(work: UnitOfWork, claim: Claim) -> None:
    """A run stopped before its end: the job is due still, and anybody's."""
    leased = update(Job).where(Job.task == claim.task, Job.leased_by == claim.holder)
    work.execute(leased.values(leased_by="", leased_until=None, tries=Job.tries - 1))


def record(work: UnitOfWork, runs: Sequence[Ended]) -> None:
    """Write down runs that have ended."""
    by_task: dict[str, list[Ended]] = {}
    for run in runs:
        by_task.setdefault(run.task, []).append(run)
    for task, ended in by_task.items():
        _ensure(work, task, ended[-1].queue)
        job = work.scalars(
            select(Job).where(Job.task == task).with_for_update().execution_options(populate_existing=True)
        ).one()
        for run in ended:
            _sum_up(job, run)
        _remember(work, job, ended)


def _ensure(work: UnitOfWork, task: str, queue: str) -> None:
    """A row for the job; two processes may come upon it at once."""
    if work.scalar(select(Job.id).where(Job.task == task)) is None:
        dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
        row = dialect.insert(Job).values(task=task, queue=queue, done_until=utcnow())
        work.execute(row.on_conflict_do_nothing(index_elements=[Job.task]))


def _sum_up(job: Job, run: Ended) -> None:
    job.finished_at, job.seconds, job.ok = run.finished_at, run.seconds, run.ok
    job.outcome = run.outcome[:LONGEST_OUTCOME]
    job.total_seconds += run.seconds
    if run.ok:
        job.succeeded_at, job.successes = run.finished_at, job.successes + 1
    else:
        job.failed_at, job.failures, job.failure = run.finished_at, job.failures + 1, job.outcome
    claim = run.claim
    if claim is None:
        job.started_at = run.started_at
    elif job.leased_by == claim.holder:
        job.leased_by, job.leased_until, job.tries = "", None, 0
        job.done_until = max(job.done_until, claim.until)
        if job.asked_at is not None and job.asked_at <= run.started_at:
            job.asked_at = None


def _remember(work: UnitOfWork, job: Job, runs: Sequence[Ended]) -> None:
    """Add to the history; runs that came to the same end are one row."""
    last = work.scalar(select(JobRun).where(JobRun.job_id == job.id).order_by(JobRun.id.desc()).limit(1))
    for run in runs:
        outcome = run.outcome[:LONGEST_OUTCOME]
        if last is not None and (last.ok, last.outcome) == (run.ok, outcome):
            last.times += 1
        else:
            last = JobRun(job_id=job.id, started_at=run.started_at, ok=run.ok, outcome=outcome, times=1)
            work.add(last)
        last.worker, last.finished_at, last.seconds = run.worker, run.finished_at, run.seconds
    work.flush()  # rows are counted by their ids
    newest = select(JobRun.id).where(JobRun.job_id == job.id).order_by(JobRun.id.desc())
    oldest = newest.limit(1).offset(KEPT).scalar_subquery()
    work.execute(delete(JobRun).where(JobRun.job_id == job.id, JobRun.id <= oldest))


def _give_up(work: UnitOfWork, job: Job, worker: str, until: datetime) -> None:
    started_at = job.started_at or until
    job.tries, job.asked_at, job.done_until = 0, None, max(job.done_until, until)
    job.leased_by, job.leased_until = "", None
    why = f"given up: its worker ended {MAX_TRIES} times before the run did"
    run = Ended(job.task, job.queue, worker, started_at, started_at, False, why)
    _sum_up(job, run)
    _remember(work, job, [run])


def last_runs(work: UnitOfWork, job_id: int, limit: int) -> Sequence[JobRun]:
    """The history of a job, newest first."""
    return work.scalars(
        select(JobRun).where(JobRun.job_id == job_id).order_by(JobRun.id.desc()).limit(limit)
    ).all()
