"""Processes say that they live; one that is killed falls silent."""

from __future__ import annotations

from app.db import db, unit_of_work
from app.jobs import presence
from tests.databases import both_databases


def tell(me, doing=()):
    with unit_of_work() as work:
        presence.tell(work, me, doing)


def alive(work):
    work.rollback()
    return [(one.kind, one.pid) for one in presence.alive(work)]


@both_databases
def test_a_process_lives_as_long_as_it_says_so(work, clock):
    me = presence.Me(presence.WORKER, "mail", pid=7)
    tell(me)
    for _ in range(5):
        clock.advance(seconds=presence.TELL_S)
        tell(me, [{"task": "domain.verb", "since": clock.now.isoformat()}])
    assert alive(work) == [("worker", 7)]
    found = presence.alive(work)[0]
    assert (found.queues, found.doing[0]["task"]) == ("mail", "domain.verb")
    assert (found.seen_at - found.since).total_seconds() == 5 * presence.TELL_S

    clock.advance(seconds=presence.DEAD_AFTER_S + 1)
    assert alive(work) == []


@both_databases
def test_a_process_that_ends_says_so(work, clock):
    me, other = presence.Me(presence.BEAT, pid=7), presence.Me(presence.BEAT, pid=8)
    tell(me)
    tell(other)
    with unit_of_work() as leaving:
        presence.leave(leaving, me)
    assert alive(work) == [("beat", 8)]


@both_databases
def test_chargers_are_heard_since_the_first_web_process_began(work, clock):
    assert presence.hearing_since(work) is None
    tell(presence.Me(presence.WORKER))
    assert presence.hearing_since(work) is None
    first, second = presence.Me(presence.WEB), presence.Me(presence.WEB)
    began = clock.now
    tell(first)
    clock.advance(seconds=30)
    tell(second)
    tell(first)
    assert presence.hearing_since(work) == began


def test_a_web_process_that_lost_the_database_for_a_while_begins_anew(work, clock):
    me = presence.Me(presence.WEB)
    tell(me)
    clock.advance(seconds=presence.DEAD_AFTER_S + 1)
    assert presence.hearing_since(work) is None
    tell(me)
    assert presence.hearing_since(work) == clock.now


def test_a_connection_will_do(app, work, clock):
    with db.engine.connect().execution_options(writing=True) as connection, connection.begin():
        presence.tell(connection, presence.Me(presence.WEB, pid=9))
    assert alive(work) == [("web", 9)]


@both_databases
def test_the_dead_are_forgotten_after_a_day(work, clock):
    tell(presence.Me(presence.WEB))
    clock.advance(hours=23)
    with unit_of_work() as sweeping:
        assert presence.forget_the_dead(sweeping) == 0
    clock.advance(hours=2)
    with unit_of_work() as sweeping:
        assert presence.forget_the_dead(sweeping) == 1


@both_databases
def test_what_a_clock_that_ran_ahead_has_left_is_forgotten(work, clock):
    clock.advance(days=1000)
    tell(presence.Me(presence.WEB))
    clock.advance(days=-1000)
    with unit_of_work() as sweeping:
        assert presence.forget_the_dead(sweeping) == 1
