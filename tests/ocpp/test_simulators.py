"""What staff want of simulators, and what workers write down about them: rules, without sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from app.blueprints.ocpp.errors import SimulatorsExist
from app.blueprints.ocpp.fleet.member import Report
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulator_work, simulators
from app.blueprints.ocpp.simulated_charge_point.errors import Trouble
from app.clock import utcnow
from app.db import UnitOfWork
from tests.databases import both_databases
from tests.factories import SimulatorFactory

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


def fresh(work: UnitOfWork, row: Simulator) -> Simulator:
    """The row as the database has it."""
    work.flush()
    return work.get_one(Simulator, row.id, populate_existing=True)


def started(work: UnitOfWork, count: int = 1, **columns: Any) -> list[Simulator]:
    rows = [SimulatorFactory(**columns) for _ in range(count)]
    simulators.start(work, [row.id for row in rows])
    return [fresh(work, row) for row in rows]


def report(row: Simulator, **facts: Any) -> Report:
    told: dict[str, Any] = {
        "id": row.id, "run": row.run, "state": "charging", "since": NOW, "trouble": None, "trouble_at": None,
        "transaction_id": 7, "energy_wh": 1500, "charges": 2, "memory": {"meters": {"1": 1500}},
    }  # fmt: skip
    return Report(**told | facts)


def expire(work: UnitOfWork, row: Simulator) -> None:
    """As when the worker that had it was killed a while ago."""
    gone = utcnow() - timedelta(seconds=1)
    work.execute(update(Simulator).where(Simulator.id == row.id).values(leased_until=gone))


# What staff want


@both_databases
def test_a_started_simulator_waits_for_a_worker_with_nothing_of_its_last_run(work: UnitOfWork) -> None:
    row = SimulatorFactory(
        state="failed", last_error="x", last_error_facts={"a": "b"}, last_error_at=NOW, energy_wh=5,
        charges=1, memory={"meters": {"1": 5}},
    )  # fmt: skip

    assert simulators.start(work, [row.id]) == [row.id]

    row = fresh(work, row)
    assert (row.wanted, row.state, row.run, row.energy_wh, row.charges) == ("running", "waiting", 1, 0, 0)
    assert (row.last_error, row.last_error_facts, row.last_error_at) == ("", {}, None)
    assert row.memory == {"meters": {"1": 5}}  # its meter runs on


@both_databases
def test_to_start_what_is_started_changes_nothing(work: UnitOfWork) -> None:
    (row,) = started(work)

    assert simulators.start(work, [row.id, 10**6]) == []
    assert fresh(work, row).run == 1


@both_databases
def test_a_restart_wants_a_new_run_of_what_runs_and_of_what_does_not(work: UnitOfWork) -> None:
    (running,), stopped = started(work), SimulatorFactory()

    assert simulators.restart(work, [running.id, stopped.id]) == sorted([running.id, stopped.id])

    assert (fresh(work, running).run, fresh(work, stopped).run) == (2, 1)
    assert fresh(work, stopped).is_wanted


@both_databases
def test_what_nobody_runs_is_stopped_at_once_and_the_rest_by_its_worker(work: UnitOfWork) -> None:
    held, waiting = started(work, 2)
    simulator_work.take_up(work, "w", 1)
    simulator_work.write_down(work, "w", [report(held)])

    assert simulators.stop(work, [held.id, waiting.id]) == [held.id, waiting.id]
    assert simulators.stop(work, [held.id, waiting.id]) == []

    assert (fresh(work, waiting).wanted, fresh(work, waiting).state) == ("stopped", "stopped")
    assert (fresh(work, held).wanted, fresh(work, held).state) == ("stopped", "charging")


@both_databases
def test_many_are_made_that_differ_in_name_and_path(work: UnitOfWork) -> None:
    settings = {"host": "127.0.0.1", "ws_port": 8123, "duration_s": 60}

    ids = simulators.make_many(work, count=12, name="Yard ", path="a/Y", first=1, settings=settings)

    rows = work.scalars(select(Simulator).order_by(Simulator.name)).all()
    assert [row.id for row in rows] == ids
    assert [row.name for row in rows[:2]] == ["Yard 01", "Yard 02"]
    assert (rows[11].cp_path, rows[11].charger_id, rows[11].ws_port) == ("a/Y12", "Y12", 8123)
    assert {(row.wanted, row.state, row.duration_s) for row in rows} == {("stopped", "stopped", 60)}


@both_databases
def test_many_are_made_all_or_none(work: UnitOfWork) -> None:
    SimulatorFactory(name="S3", cp_path="elsewhere")
    SimulatorFactory(name="other", cp_path="x/T2/", host="10.0.0.1")
    settings = {"host": "10.0.0.1", "ws_port": 8000}

    for name, path, named in (("S", "S", "S3"), ("new", "T", "other")):
        with pytest.raises(SimulatorsExist, match=named):
            simulators.make_many(work, count=5, name=name, path=path, first=1, settings=settings)

    assert work.query(Simulator).count() == 2


# What is shown


HELD, LAPSED = NOW + timedelta(seconds=20), NOW - timedelta(seconds=1)
LONG_AGO = NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("wanted", "state", "leased_until", "since", "worker_runs", "shown"),
    [
        ("running", "charging", HELD, LONG_AGO, True, "charging"),
        ("running", "charging", LAPSED, LONG_AGO, False, "no_worker"),
        ("running", "charging", LAPSED, LONG_AGO, True, "waiting"),  # another is about to take it over
        ("running", "waiting", None, NOW, False, "waiting"),
        ("running", "waiting", None, LONG_AGO, False, "no_worker"),
        ("running", "waiting", None, LONG_AGO, True, "waiting"),
        ("stopped", "charging", HELD, LONG_AGO, True, "stopping"),
        ("stopped", "charging", LAPSED, LONG_AGO, False, "stopped"),
        ("stopped", "finished", None, LONG_AGO, True, "finished"),
        ("stopped", "failed", None, LONG_AGO, False, "failed"),
        ("stopped", "stopped", None, None, False, "stopped"),
    ],
)
def test_a_state_is_shown_for_as_long_as_somebody_answers_for_it(
    wanted: str, state: str, leased_until: datetime | None, since: datetime, worker_runs: bool, shown: str
) -> None:
    row = Simulator(wanted=wanted, state=state, leased_until=leased_until, since=since)

    assert simulators.shown(row, NOW, worker_runs=worker_runs) == shown


# What the worker does


@both_databases
def test_workers_take_up_what_is_wanted_and_never_the_same(work: UnitOfWork) -> None:
    rows, _stopped = started(work, 5), SimulatorFactory()

    first = simulator_work.take_up(work, "a", 3)
    second = simulator_work.take_up(work, "b", 3)

    assert [one.id for one in (*first, *second)] == [row.id for row in rows]
    assert simulator_work.take_up(work, "c", 3) == []
    standing = simulator_work.standing(work, "a")
    assert standing.ours == {one.id: one.run for one in first}
    assert standing.others == {one.id for one in second}
    assert not standing.has_free


@both_databases
def test_what_a_clock_that_ran_ahead_has_leased_is_taken_up(work: UnitOfWork) -> None:
    (row,) = started(work)
    simulator_work.take_up(work, "ahead", 1)
    row.leased_until = utcnow() + timedelta(days=1000)
    work.flush()

    assert not row.is_held(utcnow())
    assert simulator_work.standing(work, "next").has_free
    assert [one.id for one in simulator_work.take_up(work, "next", 1)] == [row.id]


@both_databases
def test_what_a_killed_worker_ran_is_taken_up_with_what_it_remembers(work: UnitOfWork) -> None:
    (row,) = started(work)
    simulator_work.take_up(work, "killed", 1)
    simulator_work.write_down(work, "killed", [report(row)])
    expire(work, row)

    (taken,) = simulator_work.take_up(work, "next", 1)

    assert (fresh(work, row).state, fresh(work, row).transaction_id) == ("connecting", None)
    assert (taken.id, taken.run, taken.energy_wh, taken.charges) == (row.id, 1, 1500, 2)
    assert taken.memory == {"meters": {"1": 1500}}


@both_databases
def test_what_a_worker_tells_is_kept(work: UnitOfWork) -> None:
    (row,) = started(work)
    simulator_work.take_up(work, "w", 1)
    trouble = Trouble("no such host in %(url)s", url="ws://x")

    simulator_work.write_down(work, "w", [report(row, trouble=trouble, trouble_at=NOW)])

    row = fresh(work, row)
    assert (row.state, row.since, row.transaction_id) == ("charging", NOW, 7)
    assert (row.energy_wh, row.charges) == (1500, 2)
    assert row.last_error % row.last_error_facts == "no such host in ws://x"
    assert row.last_error_at == NOW


@both_databases
def test_what_is_done_is_not_wanted_any_more_and_what_is_handed_back_is(work: UnitOfWork) -> None:
    done, handed_back = started(work, 2)
    simulator_work.take_up(work, "w", 2)

    simulator_work.write_down(
        work,
        "w",
        [
            report(done, state="finished", ended=True, done=True),
            report(handed_back, state="waiting", ended=True),
        ],
    )

    assert (fresh(work, done).wanted, fresh(work, done).state) == ("stopped", "finished")
    assert (fresh(work, handed_back).wanted, fresh(work, handed_back).state) == ("running", "waiting")
    assert [one.id for one in simulator_work.take_up(work, "next", 2)] == [handed_back.id]


@both_databases
def test_of_a_run_that_staff_have_replaced_only_the_memory_is_kept(work: UnitOfWork) -> None:
    (row,) = started(work)
    simulator_work.take_up(work, "w", 1)
    old = report(row, state="finished", ended=True, done=True)
    simulators.restart(work, [row.id])

    simulator_work.write_down(work, "w", [old])

    row = fresh(work, row)
    assert (row.wanted, row.state, row.run, row.energy_wh) == ("running", "waiting", 2, 0)
    assert row.memory == {"meters": {"1": 1500}}
    assert [one.run for one in simulator_work.take_up(work, "w", 1)] == [2]


@both_databases
def test_who_has_lost_a_lease_writes_nothing_down(work: UnitOfWork) -> None:
    (row,) = started(work)
    simulator_work.take_up(work, "slow", 1)
    expire(work, row)
    simulator_work.take_up(work, "quick", 1)

    simulator_work.write_down(work, "slow", [report(row, ended=True, done=True)])

    row = fresh(work, row)
    assert (row.wanted, row.state, row.leased_by, row.memory) == ("running", "connecting", "quick", {})


# Settings


@both_databases
def test_a_password_is_encrypted_in_the_database(work: UnitOfWork) -> None:
    row = SimulatorFactory(password="correct-horse-battery")

    stored = work.execute(text("SELECT password FROM simulator")).scalar_one()

    assert "horse" not in stored
    assert fresh(work, row).config().password == "correct-horse-battery"


def test_a_password_of_another_key_is_a_flaw_that_says_what_to_do(app: Flask, work: UnitOfWork) -> None:
    (row,) = started(work, password="correct-horse-battery")
    app.config["SECRET_KEY"] = "another"

    (taken,) = simulator_work.take_up(work, "w", 1)

    assert taken.config is None
    assert "enter it again" in str(taken.flaw)
    assert fresh(work, row).password is None


def test_the_energy_of_a_charge_follows_from_its_power_unless_it_is_given() -> None:
    row = Simulator(
        cp_path="S", host="h", ws_port=1, rfid="A", repeat=False, autostart=True, connectors=1,
        duration_s=1800, interval_s=5, pre_charge_delay_s=0, power_kw=Decimal(22), password="", username="",
    )  # fmt: skip
    assert row.config().energy_kwh() == 11

    row.kwh_min, row.kwh_max = Decimal(3), Decimal(4)
    assert 3 <= row.config().energy_kwh() <= 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_s": 0}, {"interval_s": 0}, {"pre_charge_delay_s": -1}, {"power_kw": 0}, {"connectors": 0},
        {"kwh_min": 1}, {"kwh_max": 1}, {"kwh_min": 2, "kwh_max": 1}, {"kwh_min": -1, "kwh_max": 1},
        {"state": "x"}, {"wanted": "x"}, {"ws_port": 0},
    ],
)  # fmt: skip
@both_databases
def test_what_no_simulator_can_do_cannot_be_stored(work: UnitOfWork, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        SimulatorFactory(**wrong)
