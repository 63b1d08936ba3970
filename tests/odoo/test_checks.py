"""Checks as the worker does them: who is due, one at a time, written down, remembered for a while."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from app.blueprints.odoo import services, tasks
from app.blueprints.odoo.client import Report
from app.blueprints.odoo.models import Instance, InstanceCheck
from app.clock import utcnow
from app.db import unit_of_work
from tests.databases import both_databases
from tests.factories import InstanceFactory
from tests.odoo.servers import odoo_server, question, tcp_server

OK, FAILED = Report("ok", version="17.0", duration_ms=12), Report("refused", "8069", duration_ms=3)


def again(work, row: Instance) -> Instance:
    """The row as the database has it now."""
    work.rollback()
    return work.get(Instance, row.id, populate_existing=True)


def take(holder="a", limit=10, every=timedelta(minutes=15)) -> list[int]:
    with unit_of_work() as work:
        return sorted(job.instance_id for job in services.take(work, holder=holder, limit=limit, every=every))


def checks(work, row: Instance) -> list[tuple[str, str]]:
    of_it = select(InstanceCheck).where(InstanceCheck.instance_id == row.id).order_by(InstanceCheck.id)
    return [(check.outcome, check.fact) for check in work.scalars(of_it)]


# A real check


@both_databases
def test_every_instance_is_checked_and_each_outcome_written_down(app, work):
    with odoo_server() as odoo:
        good = InstanceFactory(url=odoo.url)
        wrong = InstanceFactory(url=odoo.url, password="other")
        away = InstanceFactory(last_ok_at=utcnow() - timedelta(days=1), version="16.0")
        work.commit()

        assert tasks.check_instances() == 3
        assert tasks.check_instances() == 0

    good, wrong, away = (again(work, row) for row in (good, wrong, away))
    assert (good.state, good.last_outcome, good.version) == ("ok", "ok", "17.0-20240101")
    assert good.last_ok_at == good.last_checked_at
    assert utcnow() - good.last_ok_at < timedelta(seconds=30)
    assert (wrong.state, wrong.last_outcome, wrong.last_ok_at) == ("failed", "wrong_password", None)
    assert (away.last_outcome, away.last_fact, away.version) == ("refused", "1", "16.0")
    assert away.last_ok_at < utcnow() - timedelta(hours=1)
    assert "nothing listens at port 1" in away.last_sentence
    assert checks(work, good) == [("ok", "")]
    assert checks(work, wrong) == [("wrong_password", "")]
    assert checks(work, away) == [("refused", "1")]


def test_a_password_of_another_secret_key_says_to_enter_it_again(app, work):
    row = InstanceFactory()
    work.commit()
    app.config["SECRET_KEY"] = "another"

    tasks.check_instances()

    assert "enter the password again" in again(work, row).last_sentence


@both_databases
def test_the_password_is_not_readable_in_the_database(app, work):
    InstanceFactory(password="hunter2")
    work.flush()

    stored = work.scalar(text("SELECT password FROM odoo_instance"))

    assert "hunter2" not in stored
    assert len(stored) > 50


@both_databases
def test_one_that_hangs_does_not_hold_the_others(app, work):
    let_go = threading.Event()

    def hang(connection) -> None:
        question(connection)
        let_go.wait(20)

    with odoo_server() as odoo, tcp_server(hang) as port:
        hanging = InstanceFactory(url=f"http://127.0.0.1:{port}")
        others = [InstanceFactory(url=odoo.url) for _ in range(20)]
        work.commit()

        def check() -> None:
            with app.app_context():
                tasks.check_instances()

        round_ = threading.Thread(target=check)
        round_.start()
        try:
            deadline = time.monotonic() + 10
            while any(again(work, row).state != "ok" for row in others):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert again(work, hanging).state == "checking"

            work.rollback()  # what was read before the round wrote cannot become a write
            late = InstanceFactory(url=odoo.url)  # somebody rings while that round is on
            work.commit()
            assert tasks.check_instances() == 0
            while again(work, late).state != "ok":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            let_go.set()
            round_.join()
    assert again(work, hanging).last_outcome == "closed"


def test_a_worker_that_was_told_to_stop_begins_nothing(app, work, monkeypatch):
    row = InstanceFactory()
    work.commit()
    monkeypatch.setattr("celery.worker.state.should_stop", 0)

    assert tasks.check_instances() == 0
    assert again(work, row).state == "never"


# Who is due


@both_databases
def test_an_instance_is_due_when_its_last_check_is_old(work):
    now = utcnow()
    InstanceFactory(last_checked_at=now - timedelta(minutes=14))
    old = InstanceFactory(last_checked_at=now - timedelta(minutes=16))
    never = InstanceFactory()
    asked = InstanceFactory(last_checked_at=now, asked_at=now)
    work.commit()

    assert take() == [old.id, never.id, asked.id]


@both_databases
def test_those_that_somebody_asked_for_come_first_and_in_order(work):
    now = utcnow()
    rows = [
        InstanceFactory(),
        InstanceFactory(asked_at=now),
        InstanceFactory(asked_at=now - timedelta(minutes=1)),
    ]
    work.commit()

    assert [take(limit=1) for _ in range(4)] == [[rows[2].id], [rows[1].id], [rows[0].id], []]


def test_without_a_period_only_those_asked_for_are_checked(app, work):
    InstanceFactory()
    asked = InstanceFactory(asked_at=utcnow())
    work.commit()
    app.config["ODOO_CHECK_MINUTES"] = 0

    assert tasks.check_instances() == 1
    assert again(work, asked).last_outcome


@both_databases
def test_the_worker_that_dies_loses_its_checks_and_nothing_is_forgotten(work):
    row = InstanceFactory(asked_at=utcnow())
    work.commit()
    assert take("dead") == [row.id]
    assert take("other") == []

    row = again(work, row)
    assert row.state == "checking"
    row.leased_until = utcnow() - timedelta(seconds=1)
    work.commit()

    assert again(work, row).state == "waiting"
    assert take("other") == [row.id]


# What is written down


def job(row: Instance) -> services.Job:
    return services.Job(row.id, services.login_of(row))


@both_databases
def test_a_check_that_ended_is_wanted_no_longer(work):
    row = InstanceFactory(asked_at=utcnow())
    work.commit()
    take("a")
    with unit_of_work() as edge:
        services.finish(edge, job(row), OK, holder="a")

    row = again(work, row)
    assert (row.asked_at, row.leased_until, row.state) == (None, None, "ok")


@both_databases
def test_what_came_of_an_address_that_has_changed_meanwhile_is_not_written_down(work):
    row = InstanceFactory(asked_at=utcnow())
    work.commit()
    take("a")
    with unit_of_work() as edge:
        services.ask_anew(edge.get(Instance, row.id))
    with unit_of_work() as edge:
        services.finish(edge, job(row), OK, holder="a")

    row = again(work, row)
    assert (row.state, row.last_outcome, checks(work, row)) == ("waiting", "", [])
    assert take("b") == [row.id]


@both_databases
def test_asking_during_a_check_does_not_begin_another(work):
    row = InstanceFactory()
    work.commit()
    take("a")
    with unit_of_work() as edge:
        services.ask(edge.get(Instance, row.id))
    assert again(work, row).state == "checking"
    with unit_of_work() as edge:
        services.finish(edge, job(row), FAILED, holder="a")

    assert again(work, row).state == "failed"
    assert take("b") == []


def test_asking_twice_keeps_the_place_in_the_queue(work):
    since = utcnow() - timedelta(minutes=3)
    row = InstanceFactory(asked_at=since)

    services.ask(row)

    assert row.asked_at == since


@both_databases
def test_what_came_of_an_instance_that_was_deleted_meanwhile_is_dropped(work):
    row = InstanceFactory()
    work.commit()
    kept = job(row)
    take("a")
    with unit_of_work() as edge:
        edge.delete(edge.get(Instance, row.id))
    with unit_of_work() as edge:
        services.finish(edge, kept, OK, holder="a")
        services.record(edge, kept.instance_id, OK)

    assert work.scalar(select(func.count()).select_from(InstanceCheck)) == 0


@both_databases
def test_of_each_instance_the_newest_checks_are_kept(work, monkeypatch):
    monkeypatch.setattr(services, "KEPT", 5)
    row, other = InstanceFactory(), InstanceFactory()
    services.record(work, other.id, OK)
    for number in range(8):
        services.record(work, row.id, Report("fault", str(number)))

    assert [fact for _, fact in checks(work, row)] == ["3", "4", "5", "6", "7"]
    assert len(checks(work, other)) == 1


@both_databases
def test_old_checks_are_forgotten(work):
    row = InstanceFactory()
    for days in (91, 89):
        at = utcnow() - timedelta(days=days)
        work.add(InstanceCheck(instance_id=row.id, at=at, outcome="fault", fact=str(days), duration_ms=1))
    work.flush()

    services.record(work, row.id, OK)

    assert checks(work, row) == [("fault", "89"), ("ok", "")]


@pytest.mark.parametrize("outcome", ["ok", "refused"])
def test_a_state_never_checked_is_told_from_others(work, outcome):
    row = InstanceFactory()
    assert (row.state, row.last_sentence) == ("never", "")
    row.last_outcome = outcome
    assert row.state == ("ok" if outcome == "ok" else "failed")
