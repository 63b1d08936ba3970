"""Leases: a row is one worker's at a time, and a worker that dies loses its rows by itself."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from app import leases
from app.blueprints.accounts.models import TagImport
from app.clock import utcnow
from app.db import unit_of_work
from tests.databases import both_databases, only_postgres
from tests.factories import UserFactory


@pytest.fixture
def rows(work):
    user = UserFactory()
    made = [TagImport(created_by_id=user.id) for _ in range(4)]
    work.add_all(made)
    work.commit()
    return [row.id for row in made]


def take(holder, limit=10, seconds=60.0, *which):
    with unit_of_work() as work:
        return leases.take(work, TagImport, *which, holder=holder, seconds=seconds, limit=limit)


@both_databases
def test_a_row_is_leased_to_one_worker_at_a_time(rows):
    assert take("a", 3) == rows[:3]
    assert take("b") == rows[3:]
    assert take("c") == []


@both_databases
def test_only_chosen_rows_are_leased(rows):
    assert take("a", 10, 60.0, TagImport.id == rows[2]) == [rows[2]]


@both_databases
def test_a_lease_that_has_run_out_is_anybodys(rows):
    assert take("a", seconds=-1) == rows
    assert take("b") == rows


@both_databases
def test_a_lease_of_a_clock_that_ran_ahead_is_anybodys(rows):
    assert take("a", seconds=86_400.0) == rows
    assert take("b") == rows


@both_databases
def test_a_lease_that_another_has_taken_is_not_renewed_nor_handed_back(rows):
    take("a", seconds=-1)
    take("b", 2)
    with unit_of_work() as work:
        assert leases.renew(work, TagImport, rows, holder="a", seconds=60) == set(rows[2:])
    with unit_of_work() as work:
        leases.release(work, TagImport, rows, holder="a")

    assert take("c") == rows[2:]


@both_databases
def test_workers_that_ask_at_once_get_different_rows(app, rows):
    got: list[list[int]] = []

    def ask(name: str) -> None:
        with app.app_context():
            got.append(take(name, 1))

    threads = [threading.Thread(target=ask, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    taken = [id for ids in got for id in ids]
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(rows)


@only_postgres
def test_no_more_rows_are_leased_than_were_asked_for_however_the_database_goes_about_it(rows):
    with unit_of_work() as work:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            work.execute(text(f"SET LOCAL enable_{way} = off"))
        assert leases.take(work, TagImport, holder="a", seconds=60.0, limit=3) == rows[:3]


def test_a_lease_lasts_as_long_as_was_asked(work, rows):
    take("a", 1, seconds=120)
    until = work.get(TagImport, rows[0], populate_existing=True).leased_until
    assert timedelta(seconds=110) < until - utcnow() <= timedelta(seconds=120)


def test_no_two_holders_have_one_name():
    assert leases.new_holder() != leases.new_holder()
