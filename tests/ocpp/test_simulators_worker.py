"""Simulators in a real worker, charging at a real server: begun, ended, killed, taken over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from app import doorbell
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulators
from app.blueprints.subscriptions.tasks import renew_due
from tests import databases
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import eventually
from tests.servers import DATABASE, RunningServer
from tests.workers import RunningWorker, running_worker

LEASE_S = 30


class Yard:
    """A running server, and what staff and workers do with its simulators."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        url = server.env["DATABASE_URL"]
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg")
            if url
            else f"sqlite:///{server.instance / DATABASE}",
            connect_args={} if url else {"timeout": 20},
        )
        # No more than what rings: the whole application would bind its limits to this test's Redis.
        self.app = Flask(__name__)
        self.app.config.update(INSTANCE_PATH=str(server.instance), REDIS_URL=server.env["REDIS_URL"])
        doorbell.init_app(self.app)

    def make(self, count: int, prefix: str, **settings: Any) -> list[int]:
        """Simulators that staff have set up, and start."""
        given = {"host": "127.0.0.1", "ws_port": self.server.port, "duration_s": 600, "interval_s": 1}
        with Session(self.engine) as work, work.begin():
            ids = simulators.make_many(
                work, count=count, name=prefix, path=f"sim/{prefix}", first=1, settings=given | settings
            )
        self.want(simulators.start, ids)
        return ids

    def want(self, command: Callable[[Any, Sequence[int]], Any], ids: Sequence[int], bells: int = 1) -> None:
        """As staff do in the administration."""
        with Session(self.engine) as work, work.begin():
            command(work, ids)
        self.ring(bells)

    def ring(self, times: int) -> None:
        with self.app.app_context():
            for _ in range(times):
                doorbell.ring(tasks.run_simulators)

    def rows(self, ids: Sequence[int]) -> list[Any]:
        columns = [column for column in Simulator.__table__.columns if column.name != "password"]
        with self.engine.connect() as connection:
            return list(connection.execute(select(*columns).where(Simulator.id.in_(ids))))

    def all(self, ids: Sequence[int], seconds: float = 15, **wanted: Any) -> list[Any]:
        """Wait until all of these rows are so; return them."""

        def check() -> list[Any] | None:
            rows = self.rows(ids)
            return (
                rows
                if all(getattr(row, name) == value for row in rows for name, value in wanted.items())
                else None
            )

        return eventually(check, seconds)

    def transactions(self, prefix: str) -> list[Any]:
        """(charger, running, reason, flags), oldest first."""
        query = """SELECT c.charger_id, t.stopped_at IS NULL AS running, t.stop_reason, t.flags
                   FROM charge_transaction t JOIN charger c ON c.id = t.charger_id
                   WHERE c.charger_id LIKE :prefix ORDER BY t.id"""
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), {"prefix": f"{prefix}%"}))


@contextmanager
def yard_of(server: RunningServer) -> Iterator[Yard]:
    yard = Yard(server)
    yield yard
    yard.engine.dispose()


FILES = "files and SQLite"
REDIS = pytest.param("Redis and PostgreSQL", marks=[pytest.mark.redis, pytest.mark.postgres])


@pytest.fixture(params=[FILES, REDIS])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    """A server of the test's own, with each broker and each database."""
    if request.param == FILES:
        server = RunningServer(tmp_path)
        server.migrate()
        yield from _running(server)
    else:
        # Not the tests' common one: workers of other tests would hear our bells.
        with redis_server() as redis, databases.postgres_database(tmp_path) as url:
            yield from _running(RunningServer(tmp_path, REDIS_URL=redis.url, DATABASE_URL=url))


def _running(server: RunningServer) -> Iterator[Yard]:
    server.start()
    try:
        with yard_of(server) as yard:
            yield yard
    finally:
        server.kill()


def test_a_started_simulator_charges_and_finishes(server: RunningServer, tmp_path: Path) -> None:
    """The shortest way through everything: row, bell, worker, socket, books."""
    with yard_of(server) as yard, running_worker(server.env, tmp_path, "simulators") as worker:
        ids = yard.make(2, "QUICK", duration_s=1, power_kw=22)
        rows = yard.all(ids, wanted="stopped", state="finished", leased_by="")

        assert [(row.charges, row.energy_wh) for row in rows] == [(1, 6)] * 2
        assert [list(row)[1:] for row in yard.transactions("QUICK")] == [[False, "Local", ""]] * 2
        worker.kill()  # nothing of it is needed any more


@pytest.mark.slow
def test_staff_start_stop_and_restart_however_often_they_ring(yard: Yard, tmp_path: Path) -> None:
    with running_worker(yard.server.env, tmp_path) as worker:
        ids = yard.make(20, "SIM")
        yard.ring(10)
        yard.all(ids, state="charging")
        yard.want(simulators.restart, ids[:10], bells=5)
        yard.all(ids[:10], state="charging", run=2)
        yard.want(simulators.stop, ids[:15], bells=0)
        yard.all(ids[:15], state="stopped", leased_by="")
        more = yard.make(5, "MORE", repeat=True, duration_s=1)
        eventually(lambda: all(row.charges >= 2 for row in yard.rows(more)), 20)

        stopped = [row for row in yard.transactions("SIM") if not row.running]
        assert len(stopped) == 25  # ten before the restart, fifteen by the stop
        assert {(row.stop_reason, row.flags) for row in stopped} == {("Local", "")}
        assert {row.state for row in yard.rows(ids[15:])} == {"charging"}
        assert "Traceback" not in worker.output


@pytest.mark.slow
def test_a_full_house_of_bells_leaves_the_other_queues_their_threads(yard: Yard, tmp_path: Path) -> None:
    with yard.engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO "user" (id, username, password, email, phone_number, has_charger, is_staff,
                    is_superuser, is_active, session_key, language, added_on)
                    VALUES (1, 'ann', '', '', '', false, false, false, true, '', '', '2026-01-01')""")
        )
        connection.execute(text("INSERT INTO account VALUES (1, 1, false, 0, 0)"))
        connection.execute(text("INSERT INTO product VALUES (1, 'p', '', 30)"))
        connection.execute(text("INSERT INTO subscription VALUES (1, 1, 1, '2020-01-01', '2020-01-31')"))
    with running_worker(yard.server.env, tmp_path):
        ids = yard.make(3, "SIM")
        yard.ring(30)
        yard.all(ids, state="charging")
        with yard.app.app_context():
            doorbell.ring(renew_due)

        def renewed() -> bool:
            with yard.engine.connect() as connection:
                return (
                    str(connection.execute(text("SELECT next_renewal FROM subscription")).scalar_one())
                    > "2026"
                )

        eventually(renewed, 10)


@pytest.mark.slow
def test_a_worker_that_is_stopped_hands_back_and_the_next_goes_on(yard: Yard, tmp_path: Path) -> None:
    with running_worker(yard.server.env, tmp_path) as worker:
        ids = yard.make(10, "SIM")
        yard.all(ids, state="charging")
        began = time.monotonic()
        worker.stop()
        assert time.monotonic() - began < 10
        rows = yard.rows(ids)
        assert {(row.wanted, row.state, row.leased_by) for row in rows} == {("running", "waiting", "")}
        assert {(row.running, row.stop_reason) for row in yard.transactions("SIM")} == {(False, "Local")}

        worker.start()  # and nobody rings
        yard.all(ids, state="charging")


@pytest.mark.slow
def test_after_a_kill_they_resume_within_a_lease_and_nothing_is_lost(yard: Yard, tmp_path: Path) -> None:
    with running_worker(yard.server.env, tmp_path) as worker:
        ids = yard.make(10, "SIM", power_kw=1000)
        yard.all(ids, state="charging")
        eventually(lambda: all(row.energy_wh for row in yard.rows(ids)), 10)
        worker.kill()
        killed_at = time.monotonic()
        worker.start()
        first = {row.leased_by for row in yard.rows(ids)}
        rows = yard.all(ids, LEASE_S + 10, state="charging", leased_by=_other(yard, ids, first))

        assert time.monotonic() - killed_at < LEASE_S + 10
        assert {row.wanted for row in rows} == {"running"}
        settled = [row for row in yard.transactions("SIM") if not row.running]
        assert {(row.stop_reason, row.flags) for row in settled} == {("PowerLoss", "")}
        assert len(settled) == 10


def _other(yard: Yard, ids: Sequence[int], before: set[str]) -> str:
    """Who has them all, once somebody else does."""

    def check() -> str | None:
        now = {row.leased_by for row in yard.rows(ids)}
        return now.pop() if len(now) == 1 and not now & before else None

    return str(eventually(check, LEASE_S + 10))


@pytest.mark.slow
@pytest.mark.parametrize("yard", [REDIS], indirect=True)
def test_of_two_workers_one_takes_over_from_the_other_and_nothing_runs_twice(
    yard: Yard, tmp_path: Path
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with (
        running_worker(yard.server.env, folders[0]) as one,
        running_worker(yard.server.env, folders[1]) as other,
    ):
        ids = yard.make(150, "SIM")
        yard.ring(6)
        yard.all(ids, 30, state="charging")
        assert _running_twice(yard) == []
        holder = yard.rows(ids[:1])[0].leased_by
        first = next(worker for worker in (one, other) if f":{_pid(worker)}:" in holder)
        first.kill()
        yard.ring(1)  # as beat does

        def taken_over() -> bool:
            rows = yard.rows(ids)
            return all(f":{_pid(first)}:" not in row.leased_by and row.state == "charging" for row in rows)

        eventually(taken_over, LEASE_S + 15)
        assert _running_twice(yard) == []
        assert {row.flags for row in yard.transactions("SIM")} == {""}


def _pid(worker: RunningWorker) -> int:
    assert worker.process is not None
    return worker.process.pid


def _running_twice(yard: Yard) -> list[Any]:
    """Chargers with more than one running transaction, or that were ever pushed out by another."""
    query = """SELECT charger_id FROM charge_transaction WHERE stopped_at IS NULL
               GROUP BY charger_id, connector_id HAVING COUNT(*) > 1"""
    with yard.engine.connect() as connection:
        return list(connection.execute(text(query)))


@pytest.mark.slow
@pytest.mark.parametrize("yard", [FILES], indirect=True)
def test_a_worker_that_was_suspended_lets_go_of_what_another_has(yard: Yard, tmp_path: Path) -> None:
    """A laptop that slept: its leases ran out, and somebody else is these charge points now."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with running_worker(yard.server.env, folders[0]) as sleeper:
        ids = yard.make(5, "SIM")
        yard.all(ids, state="charging")
        before = {row.leased_by for row in yard.rows(ids)}
        os.killpg(_pid(sleeper), signal.SIGSTOP)
        with running_worker(yard.server.env, folders[1]):
            holder = _other(yard, ids, before)
            yard.all(ids, 20, state="charging", leased_by=holder)
            os.killpg(_pid(sleeper), signal.SIGCONT)
            time.sleep(3)
            yard.all(ids, state="charging", leased_by=holder)
            assert len([row for row in yard.transactions("SIM") if row.running]) == 5
