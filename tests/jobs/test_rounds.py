"""The scheduler's rounds: for what it rings, how often, and that several of them do no harm."""

from __future__ import annotations

import pytest

from app.db import db, unit_of_work
from app.jobs import ledger, presence
from app.jobs.ledger import Ended, Entry
from app.jobs.rounds import LOOK_S, Rounds
from tests.databases import both_databases

TASK = "domain.verb"


class Scheduler(Rounds):
    """A scheduler whose bells are counted."""

    def __init__(self):
        self.bells: list[str] = []
        self.broker_is_up = True
        super().__init__(self._count)

    def _count(self, task, queue):
        assert queue == {TASK: "maintenance", "late.verb": "mail"}[task]
        if self.broker_is_up:
            self.bells.append(task)
        return self.broker_is_up

    def round(self):
        """Look once; return the seconds until the next look, and how often it has rung so far."""
        pause = self.look(db.session(), "UTC")
        db.session.rollback()
        return pause, len(self.bells)


@pytest.fixture
def scheduler(app, work, clock):
    with unit_of_work() as writing:
        ledger.take_over(writing, [Entry(TASK, "maintenance", "60"), Entry("late.verb", "mail", "9000000")])
    return Scheduler()


@pytest.fixture
def worker(scheduler):
    """A worker that lives: call it to say so again."""
    me = presence.Me(presence.WORKER, "mail,maintenance")

    def tell(me=me):
        with unit_of_work() as writing:
            presence.tell(writing, me)

    tell()
    return tell


def run(clock, task=TASK):
    """A worker follows the bell."""
    with unit_of_work() as work:
        claim = ledger.claim(work, task, "w", "UTC")
        assert claim is not None
        ledger.record(work, [Ended(task, "maintenance", "w", clock.now, clock.now, True, "", claim)])


@both_databases
@pytest.mark.usefixtures("worker")
def test_a_job_is_rung_for_when_it_is_due_and_only_then(scheduler, clock):
    assert scheduler.round() == (LOOK_S, 0)
    clock.advance(seconds=57)
    assert scheduler.round() == (3.0, 0)
    clock.advance(seconds=3)
    assert scheduler.round()[1] == 1
    run(clock)
    assert scheduler.round()[1] == 1
    clock.advance(seconds=60)
    assert scheduler.round()[1] == 2


def test_a_bell_that_got_lost_is_rung_again_with_growing_pauses(scheduler, worker, clock):
    clock.advance(seconds=60)
    rung_at = []
    for second in range(0, 1000, 5):
        worker()
        before = len(scheduler.bells)
        if scheduler.round()[1] > before:
            rung_at.append(second)
        clock.advance(seconds=5)
    assert rung_at == [0, 60, 180, 420, 900]


def test_while_no_worker_lives_the_broker_is_not_filled_with_bells(scheduler, worker, clock):
    clock.advance(days=1)
    for _ in range(50):
        scheduler.round()
        clock.advance(minutes=2)
    assert scheduler.bells == [TASK]

    worker(presence.Me(presence.WORKER, "maintenance"))  # another one: the broker may have forgotten the bell
    scheduler.round()
    assert scheduler.bells == [TASK, TASK]


@pytest.mark.parametrize("lives", [True, False])
def test_a_broker_that_is_away_is_rung_as_soon_as_it_is_back(scheduler, worker, clock, lives):
    clock.advance(seconds=60)
    scheduler.broker_is_up = False
    for _ in range(20):
        if lives:
            worker()
        assert scheduler.round()[1] == 0
        clock.advance(seconds=5)
    scheduler.broker_is_up = True
    assert scheduler.round()[1] == 1


@pytest.mark.usefixtures("worker")
def test_a_job_that_runs_is_not_rung_for(scheduler, clock):
    clock.advance(seconds=60)
    with unit_of_work() as work:
        assert ledger.claim(work, TASK, "w", "UTC")
    assert scheduler.round()[1] == 0


@pytest.mark.usefixtures("worker")
def test_what_a_killed_worker_had_in_hand_is_rung_for_when_its_lease_has_run_out(scheduler, clock):
    clock.advance(seconds=60)
    with unit_of_work() as work:
        assert ledger.claim(work, TASK, "w", "UTC")
    clock.advance(seconds=ledger.LEASE_S + 1)
    assert scheduler.round()[1] == 1


@pytest.mark.usefixtures("worker")
def test_what_staff_ask_for_is_rung_for_even_if_their_own_bell_got_lost(scheduler, clock):
    with unit_of_work() as work:
        ledger.ask(work, TASK)
    assert scheduler.round()[1] == 1
    run(clock)
    assert scheduler.round()[1] == 1


@both_databases
def test_two_schedulers_by_mistake_run_nothing_twice(scheduler, worker, clock):
    other = Scheduler()
    runs = 0
    for _ in range(10):
        clock.advance(seconds=60)
        worker()
        scheduler.round()
        other.round()
        for _bell in range(2):  # a worker follows each bell, one after the other
            with unit_of_work() as work:
                claim = ledger.claim(work, TASK, "w", "UTC")
                if claim is not None:
                    runs += 1
                    ended = Ended(TASK, "maintenance", "w", clock.now, clock.now, True, "", claim)
                    ledger.record(work, [ended])
    assert (len(scheduler.bells), len(other.bells), runs) == (10, 10, 10)


def test_what_came_due_while_no_scheduler_ran_is_made_up_for(scheduler, worker, clock):
    clock.advance(days=2)
    worker()
    anew = Scheduler()
    assert anew.round()[1] == 1
    run(clock)
    clock.advance(seconds=59)
    assert anew.round()[1] == 1
    clock.advance(seconds=1)
    assert anew.round()[1] == 2
