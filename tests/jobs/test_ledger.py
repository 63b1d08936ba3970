"""The ledger: a job runs when its row says that it is due, once, and what came of it is remembered."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.db import unit_of_work
from app.jobs import ledger
from app.jobs.ledger import Ended, Entry
from app.jobs.models import Job, JobRun
from tests.databases import both_databases

TASK = "domain.verb"


@pytest.fixture
def _job(app, work, clock):
    """A job that is due every minute."""
    take_over(Entry(TASK, "maintenance", "60"))
    clock.advance(seconds=61)


def take_over(*entries):
    with unit_of_work() as work:
        ledger.take_over(work, entries)


def claim(worker="w1", task=TASK):
    with unit_of_work() as work:
        return ledger.claim(work, task, worker, "UTC")


def end(clock, claim, ok=True, outcome="", task=TASK, seconds=1):
    started_at = clock.now
    clock.advance(seconds=seconds)
    with unit_of_work() as work:
        ledger.record(work, [Ended(task, "maintenance", "w1", started_at, clock.now, ok, outcome, claim)])


def job(work, task=TASK):
    return work.scalar(select(Job).where(Job.task == task).execution_options(populate_existing=True))


def runs(work):
    rows = work.scalars(select(JobRun).order_by(JobRun.id).execution_options(populate_existing=True))
    return [(row.ok, row.outcome, row.times) for row in rows]


@both_databases
def test_a_new_job_is_not_due_before_its_first_time(work, clock):
    take_over(Entry(TASK, "maintenance", "60"))
    assert claim() is None
    clock.advance(seconds=61)
    assert claim() is not None


@both_databases
@pytest.mark.usefixtures("_job")
def test_a_job_is_one_workers_at_a_time(clock):
    assert claim("w1") is not None
    assert claim("w2") is None
    clock.advance(seconds=30)
    assert claim("w2") is None


@both_databases
@pytest.mark.usefixtures("_job")
def test_a_job_runs_once_for_each_time(clock, work):
    end(clock, claim())
    assert claim() is None  # a second bell for the same time
    clock.advance(seconds=60)
    assert claim() is not None


@pytest.mark.usefixtures("_job")
def test_times_that_were_missed_are_made_up_for_once(clock):
    clock.advance(days=3)
    end(clock, claim())
    assert claim() is None


@pytest.mark.usefixtures("_job")
def test_clocks_that_differ_a_little_run_it_once(work, clock):
    end(clock, claim())
    clock.now = job(work).done_until + timedelta(seconds=57)  # this worker's clock is behind the scheduler's
    early = claim()
    assert early is not None
    end(clock, early, seconds=0)
    clock.advance(seconds=4)
    assert claim() is None


@pytest.mark.usefixtures("_job")
def test_a_worker_that_dies_loses_its_run_and_another_begins_it_again(clock):
    first = claim("w1")
    clock.advance(seconds=ledger.LEASE_S - 1)
    with unit_of_work() as work:
        ledger.renew(work, [first])
    clock.advance(seconds=ledger.LEASE_S - 1)
    assert claim("w2") is None
    clock.advance(seconds=2)
    second = claim("w2")
    assert second is not None
    end(clock, first)  # the first was only slow: its run is remembered, and takes nothing from the second
    assert claim("w3") is None
    end(clock, second)


@pytest.mark.usefixtures("_job")
def test_a_run_that_is_handed_back_is_due_still(work, clock):
    for _ in range(ledger.MAX_TRIES + 2):
        held = claim()
        with unit_of_work() as work_now:
            ledger.hand_back(work_now, held)
    assert claim() is not None


@both_databases
@pytest.mark.usefixtures("_job")
def test_a_job_that_ends_its_workers_is_given_up_until_it_is_due_anew(work, clock):
    for _ in range(ledger.MAX_TRIES):
        assert claim() is not None
        clock.advance(seconds=ledger.LEASE_S + 1)
    assert claim() is None
    found = job(work)
    assert (found.ok, found.failures) == (False, 1)
    assert "3 times" in found.failure
    clock.advance(seconds=61)
    assert claim() is not None


@both_databases
@pytest.mark.usefixtures("_job")
def test_staff_have_a_job_run_whatever_its_schedule(work, clock):
    end(clock, claim())
    with unit_of_work() as asking:
        assert ledger.ask(asking, TASK) is not None
        assert ledger.ask(asking, "no.such") is None
    end(clock, claim())
    assert job(work).asked_at is None
    assert claim() is None


@pytest.mark.usefixtures("_job")
def test_what_staff_ask_for_during_a_run_comes_after_it(work, clock):
    held = claim()
    started_at = clock.now
    clock.advance(seconds=1)
    with unit_of_work() as asking:
        ledger.ask(asking, TASK)
    clock.advance(seconds=1)
    with unit_of_work() as ending:
        ledger.record(ending, [Ended(TASK, "maintenance", "w", started_at, clock.now, True, "", held)])
    assert claim() is not None


@both_databases
@pytest.mark.usefixtures("_job")
def test_runs_that_come_to_the_same_are_one_row(work, clock):
    for outcome in ("0", "0", "0", "7", "0"):
        end(clock, None, outcome=outcome)
    end(clock, None, ok=False, outcome="no answer")
    assert runs(work) == [(True, "0", 3), (True, "7", 1), (True, "0", 1), (False, "no answer", 1)]
    found = job(work)
    assert (found.successes, found.failures, found.total_seconds) == (5, 1, 6.0)
    assert (found.ok, found.outcome, found.failure) == (False, "no answer", "no answer")
    assert found.succeeded_at == found.failed_at - timedelta(seconds=1)


@both_databases
@pytest.mark.usefixtures("_job")
def test_the_history_is_bounded_and_the_totals_are_not(work, clock, monkeypatch):
    monkeypatch.setattr(ledger, "KEPT", 3)
    take_over(Entry(TASK, "maintenance", "60"), Entry("other.verb", "maintenance", "60"))
    end(clock, None, task="other.verb", outcome="kept")
    for number in range(8):
        end(clock, None, outcome=str(number))
    assert runs(work) == [(True, "kept", 1), *((True, str(number), 1) for number in (5, 6, 7))]
    assert job(work).successes == 8


@pytest.mark.usefixtures("_job")
def test_a_long_outcome_is_cut(work, clock):
    end(clock, None, ok=False, outcome="x" * 10_000)
    assert len(job(work).failure) == len(runs(work)[0][1]) == ledger.LONGEST_OUTCOME


@both_databases
def test_a_task_that_no_schedule_knows_has_a_history_too(work, clock):
    end(clock, None, task="mail.send", outcome="True")
    assert job(work, "mail.send").successes == 1
    assert claim(task="mail.send") is None


@both_databases
@pytest.mark.usefixtures("_job")
def test_what_leaves_the_schedule_keeps_its_history_and_is_never_due(work, clock):
    end(clock, claim())
    take_over(Entry("other.verb", "mail", "60"))
    clock.advance(days=1)
    assert claim() is None
    assert job(work).successes == 1
    take_over(Entry(TASK, "mail", "7 * * * *"))
    assert (job(work).schedule, job(work).queue) == ("7 * * * *", "mail")


@both_databases
@pytest.mark.usefixtures("_job")
def test_workers_that_claim_at_once_get_it_once(app):
    got, ready = [], threading.Barrier(6)

    def ask():
        with app.app_context():
            ready.wait()
            got.append(claim())

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in got if one is not None]) == 1


@both_databases
def test_two_processes_come_upon_a_new_task_at_once(app, work, clock):
    ready = threading.Barrier(4)

    def write():
        with app.app_context():
            ready.wait()
            with unit_of_work() as writing:
                now = clock.now
                ledger.record(writing, [Ended("new.task", "mail", "w", now, now, True, "")])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job(work, "new.task").successes == 4
    assert work.scalar(select(func.count()).select_from(JobRun)) == 1


@both_databases
@pytest.mark.usefixtures("_job")
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_clock_that_ran_ahead_keeps_no_job_from_running(work, clock, is_killed):
    clock.advance(days=1000)
    held = claim()
    if not is_killed:
        end(clock, held)
    clock.advance(days=-1000)
    clock.advance(seconds=61)
    assert claim() is None

    with unit_of_work() as mending:
        ledger.mend(mending)
    clock.advance(seconds=61)
    assert claim() is not None


@pytest.mark.usefixtures("_job")
def test_what_is_right_is_not_mended(work, clock):
    claim()
    before = {column.key: getattr(job(work), column.key) for column in Job.__table__.columns}
    work.rollback()
    with unit_of_work() as mending:
        ledger.mend(mending)
    assert {column.key: getattr(job(work), column.key) for column in Job.__table__.columns} == before
