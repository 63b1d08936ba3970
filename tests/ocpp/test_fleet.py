"""The fleet of a worker, with real sockets and a real database: what is wanted runs, and runs once."""

from __future__ import annotations

import asyncio
import http
import runpy
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import Connection, delete, event, update
from websockets.asyncio.server import serve

from app.blueprints.ocpp import simulator_words
from app.blueprints.ocpp.fleet import fleet as fleets
from app.blueprints.ocpp.fleet.fleet import Fleet, Look
from app.blueprints.ocpp.fleet.job import Job
from app.blueprints.ocpp.fleet.ledger import DatabaseLedger
from app.blueprints.ocpp.fleet.member import Report
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulators
from app.blueprints.ocpp.tasks import run_simulators
from app.clock import utcnow
from app.config import ROOT
from app.db import UnitOfWork, db, unit_of_work
from app.leases import new_holder
from tests.databases import both_databases
from tests.factories import SimulatorFactory
from tests.ocpp.central import Central, central_system, on_a_loop
from tests.servers import free_port

MINUTES: dict[str, Any] = {"duration_s": 600, "interval_s": 1}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and leases of tests are short."""
    for name, seconds in {"LOOK_EVERY_S": 0.05, "STEP_S": 0.01, "GRACE_S": 2}.items():
        monkeypatch.setattr(fleets, name, seconds)
    monkeypatch.setattr("app.blueprints.ocpp.fleet.member.METER_EVERY_S", 0.2)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as executor:
        yield executor


class Worker:
    """A fleet that runs beside the test."""

    def __init__(self, app: Flask, executor: ThreadPoolExecutor, ledger: fleets.Ledger | None = None) -> None:
        self.stopping = False
        ledger = ledger or DatabaseLedger(app, new_holder())
        self.fleet = Fleet(ledger, executor, lambda: self.stopping)
        self.task = asyncio.create_task(self.fleet.run())

    async def stop(self) -> None:
        """As on SIGTERM."""
        self.stopping = True
        await self.task


@asynccontextmanager
async def working(app: Flask, executor: ThreadPoolExecutor, **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(app, executor, **options)
    try:
        yield worker
    finally:
        with suppress(asyncio.CancelledError):
            await worker.stop()


def make(central: Central, count: int = 1, **columns: Any) -> list[int]:
    """Simulators that connect there, and are started."""
    with unit_of_work() as work:
        rows = [SimulatorFactory(ws_port=central.port, **{"duration_s": 1, **columns}) for _ in range(count)]
        ids = [row.id for row in rows]
        simulators.start(work, ids)
    return ids


def command(do: Callable[[UnitOfWork, Sequence[int]], Any], ids: Sequence[int]) -> None:
    with unit_of_work() as work:
        do(work, ids)


def read(id: int) -> Simulator:
    db.session.rollback()
    return db.session.get_one(Simulator, id, populate_existing=True)


async def until(id: int, check: Callable[[Simulator], Any]) -> Simulator:
    """Wait until a row is so."""
    for _ in range(500):
        if check(row := read(id)):
            return row
        await asyncio.sleep(0.02)
    raise AssertionError(f"it never came true; it is {row.state}, {row.last_error} {row.last_error_facts}")


async def starts(central: Central, count: int) -> None:
    """Wait until the central system was told of so many; a row says so before (see the README)."""
    for _ in range(500):
        if len(central.all("StartTransaction")) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(central.all('StartTransaction'))} started")


@both_databases
@on_a_loop
async def test_what_is_wanted_charges_and_is_not_wanted_any_more(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, power_kw=22, password="correct-horse-battery")
        await Worker(app, executor).task  # it ends by itself

    row = read(id)
    assert (row.wanted, row.state, row.charges, row.leased_by) == ("stopped", "finished", 1, "")
    assert row.energy_wh == row.memory["meters"]["1"] == central.all("StopTransaction")[0]["meter_stop"] == 6
    assert central.line.websocket.request.headers["Authorization"].startswith("Basic ")


@on_a_loop
async def test_staff_start_more_and_stop_some_while_it_runs(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (first,) = make(central, **MINUTES)
        async with working(app, executor):
            row = await until(first, lambda row: row.state == "charging" and row.transaction_id)
            assert row.is_held(utcnow())

            (second,) = make(central, repeat=True)
            await until(second, lambda row: row.charges >= 1)
            command(simulators.stop, [first])
            row = await until(first, lambda row: row.state == "stopped")

            assert (row.transaction_id, row.leased_by, row.last_error) == (None, "", "")
            assert [stop["reason"] for stop in central.all("StopTransaction", transaction_id=1)] == ["Local"]
            assert read(second).is_wanted


@on_a_loop
async def test_a_restart_ends_the_charge_and_begins_with_the_new_settings(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, rfid="OLD", power_kw=1000, **MINUTES)
        async with working(app, executor):
            await until(id, lambda row: row.energy_wh > 0)
            with unit_of_work() as session:
                session.get_one(Simulator, id).rfid = "NEW"
            command(simulators.restart, [id])
            await until(id, lambda row: row.state == "charging" and row.run == 2)

    old, new = central.all("StartTransaction")
    assert (old["id_tag"], new["id_tag"]) == ("OLD", "NEW")
    assert new["meter_start"] == central.all("StopTransaction")[0]["meter_stop"] > 0


@on_a_loop
async def test_it_ends_when_nothing_is_wanted(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    SimulatorFactory()
    work.commit()

    await Worker(app, executor).task


@on_a_loop
async def test_a_deleted_simulator_ends_its_charge(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        worker = Worker(app, executor)
        await until(id, lambda row: row.state == "charging")
        with unit_of_work() as session:
            session.execute(delete(Simulator).where(Simulator.id == id))
        await worker.task

    assert len(central.all("StopTransaction", reason="Local")) == 1


@both_databases
@on_a_loop
async def test_a_worker_that_stops_ends_the_charges_and_hands_everything_back(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        ids = make(central, 3, **MINUTES)
        worker = Worker(app, executor)
        await starts(central, 3)
        await worker.stop()

        assert len(central.all("StopTransaction")) == 3
        for id in ids:
            row = read(id)
            assert (row.wanted, row.state, row.leased_by, row.leased_until) == (
                "running",
                "waiting",
                "",
                None,
            )

        async with working(app, executor):  # and the next one goes on at once
            await starts(central, 6)


@on_a_loop
async def test_what_is_taken_up_and_handed_back_in_a_moment_forgets_nothing(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    memory = {"meters": {"1": 1500}, "unsettled": []}
    async with central_system() as central:
        (id,) = make(central, memory=memory, **MINUTES)
        for _ in range(5):
            async with working(app, executor) as worker:
                while not worker.fleet._members:
                    await asyncio.sleep(0)

            assert read(id).memory == memory
            assert read(id).leased_until is None


@on_a_loop
async def test_a_worker_that_stops_does_not_wait_for_a_deaf_server(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "HAND_BACK_S", 0.3)
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        worker = Worker(app, executor)
        await until(id, lambda row: row.state == "charging")
        central.deaf_to = {"StopTransaction"}
        async with asyncio.timeout(3):
            await worker.stop()

        assert read(id).state == "waiting"
        central.deaf_to = set()
        async with working(app, executor):
            stop = await central.heard("StopTransaction")
            assert stop["transaction_id"] == 1


@both_databases
@on_a_loop
async def test_after_a_kill_another_settles_the_transaction_and_runs_on(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    unsettled = {
        "connector_id": 1, "transaction_id": 77, "meter_wh": 1500, "ended_at": "2026-01-10T12:00:00.000Z",
        "reason": "PowerLoss",
    }  # fmt: skip
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        with unit_of_work() as session:
            row = session.get_one(Simulator, id)
            row.memory = {"meters": {"1": 1500}, "unsettled": [unsettled]}
            row.leased_by, row.leased_until = "killed", utcnow() + timedelta(seconds=0.5)
        async with working(app, executor):
            await asyncio.sleep(0.2)
            assert not central.lines  # the lease has not run out
            await until(id, lambda row: row.state == "charging")

    told = [name for name, _ in central.log if name.endswith("Transaction")]
    assert told == ["StopTransaction", "StartTransaction", "StopTransaction"]
    first = central.all("StopTransaction")[0]
    assert (first["transaction_id"], first["meter_stop"], first["reason"]) == (77, 1500, "PowerLoss")
    assert central.all("StartTransaction")[0]["meter_start"] == 1500
    assert read(id).memory["unsettled"] == []


@pytest.mark.slow
@on_a_loop
async def test_what_would_be_remembered_after_a_kill_is_not_behind_what_was_told(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, power_kw=1000, **MINUTES)
        async with working(app, executor):
            for times in (1, 2):
                value = await central.heard("MeterValues", times)
                register = int(value["meter_value"][0]["sampled_value"][0]["value"])
                memory = read(id).memory
                assert memory["meters"]["1"] >= register > 0
                assert memory["unsettled"][0]["transaction_id"] == 1


@both_databases
@on_a_loop
async def test_two_workers_share_and_run_nothing_twice(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "MOST", 6)  # which one has no room for more
    monkeypatch.setattr(fleets, "AT_A_TIME", 4)
    async with central_system() as central:
        ids = make(central, 12, **MINUTES)
        async with working(app, executor), working(app, executor):
            for id in ids:
                await until(id, lambda row: row.state == "charging")
            holders = {read(id).leased_by for id in ids}

    assert len(holders) == 2
    assert len(central.lines) == 12
    assert len(central.all("StartTransaction")) == 12


@on_a_loop
async def test_what_another_worker_has_is_hung_up_on_at_once(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        async with working(app, executor):
            await until(id, lambda row: row.state == "charging")
            with unit_of_work() as session:
                session.execute(update(Simulator).values(leased_by="another"))
            await asyncio.wait_for(central.line.websocket.wait_closed(), 2)

        assert not central.all("StopTransaction")  # its transaction is the other one's
        assert read(id).leased_by == "another"


@on_a_loop
async def test_what_nobody_took_while_the_machine_slept_runs_on(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        async with working(app, executor):
            await until(id, lambda row: row.state == "charging")
            with unit_of_work() as session:
                session.execute(update(Simulator).values(leased_until=utcnow() - timedelta(seconds=1)))
            await until(id, lambda row: row.is_held(utcnow()))
            await asyncio.sleep(0.2)

            assert len(central.lines) == 1


@on_a_loop
async def test_a_process_runs_one_fleet_however_many_bells_ring(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    job = Job()
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        running = asyncio.create_task(asyncio.to_thread(job.run, app))
        await until(id, lambda row: row.state == "charging")
        assert await asyncio.gather(*(asyncio.to_thread(job.run, app) for _ in range(5))) == [False] * 5

        command(simulators.stop, [id])
        assert await running is True
        assert await asyncio.to_thread(job.run, app) is True  # the next bell is heard again
        assert len(central.lines) == 1


def test_beat_rings_for_what_nobody_rang_for() -> None:
    # Not by import: the worker package starts an application of its own.
    schedule = runpy.run_path(str(ROOT / "worker" / "schedule.py"))["SCHEDULE"]
    (entry,) = [entry for entry in schedule.values() if entry["task"] == run_simulators.name]

    assert entry["schedule"] <= 15
    assert run_simulators.queue == "simulators"


class Fragile:
    """A ledger that can be taken away."""

    def __init__(self, app: Flask) -> None:
        self.away = False
        self._ledger = DatabaseLedger(app, new_holder())

    def look(self, reports: Sequence[Report], *, held: Sequence[int], renew: bool, room: int) -> Look:
        if self.away:
            raise OSError("the database is away")
        return self._ledger.look(reports, held=held, renew=renew, room=room)


@pytest.mark.slow
@on_a_loop
async def test_without_its_database_a_simulator_runs_for_as_long_as_it_is_surely_ours(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"LEASE_S": 1.2, "MARGIN_S": 0.2, "RENEW_EVERY_S": 0.1}.items():
        monkeypatch.setattr(fleets, name, seconds)
    monkeypatch.setattr("app.blueprints.ocpp.fleet.ledger.LEASE_S", 1.2)
    monkeypatch.setattr("app.blueprints.ocpp.services.simulator_work.LEASE_S", 1.2)
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        ledger = Fragile(app)
        async with working(app, executor, ledger=ledger):
            await until(id, lambda row: row.state == "charging")
            await asyncio.sleep(1.5)
            assert len(central.lines) == 1  # its lease is renewed
            ledger.away = True
            await asyncio.sleep(0.5)
            assert central.line.websocket.close_code is None
            await asyncio.wait_for(central.line.websocket.wait_closed(), 2)
            assert read(id).leased_until < utcnow() + timedelta(seconds=0.3)

            ledger.away = False
            await central.heard("StartTransaction", 2)


@on_a_loop
async def test_no_transaction_is_opened_that_is_not_written_down(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    """Whenever its worker is killed, the next one knows of it."""
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        ledger = Fragile(app)
        async with working(app, executor, ledger=ledger):
            await until(id, lambda row: row.leased_by)
            ledger.away = True
            await central.heard("StatusNotification", status="Preparing")
            await asyncio.sleep(0.2)
            assert not central.all("StartTransaction")

            central.deaf_to = {"StartTransaction"}
            ledger.away = False
            row = await until(id, lambda row: row.memory.get("unsettled"))
            while not (sent := [frame[3] for frame in central.frames if frame[2] == "StartTransaction"]):
                await asyncio.sleep(0.01)
            assert row.memory["unsettled"][0]["start"]["timestamp"] == sent[0]["timestamp"]
            assert row.memory["unsettled"][0]["transaction_id"] is None


@on_a_loop
async def test_a_worker_that_stops_begins_nothing_any_more(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        (id,) = make(central, **MINUTES)
        ledger = Fragile(app)
        worker = Worker(app, executor, ledger)
        await until(id, lambda row: row.leased_by)
        ledger.away = True
        await central.heard("StatusNotification", status="Preparing")
        ledger.away = False
        await worker.stop()

    assert len(central.all("StartTransaction")) == len(central.all("StopTransaction"))
    assert (read(id).state, read(id).memory["unsettled"]) == ("waiting", [])


@pytest.mark.slow
@both_databases
@on_a_loop
async def test_however_many_run_there_is_one_short_write_for_all_of_them(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "LOOK_EVERY_S", 0.25)
    async with central_system() as central:
        ids = make(central, 40, power_kw=1000, **MINUTES)
        async with working(app, executor):
            for id in ids:
                await until(id, lambda row: row.state == "charging" and row.energy_wh)
            db.session.rollback()
            commits: list[Connection] = []
            note = lambda connection: commits.append(connection)  # noqa: E731 - to be removed by its name
            event.listen(db.engine, "commit", note)
            await asyncio.sleep(1)
            event.remove(db.engine, "commit", note)

    assert 1 <= len(commits) <= 5


@on_a_loop
async def test_one_that_is_impossible_or_breaks_off_fails_and_says_why_and_the_others_run(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        ((impossible,), (broken,), (other,)) = make(central, cp_path="/"), make(central), make(central)
        with unit_of_work() as session:
            session.get_one(Simulator, broken).memory = {"unsettled": [{"nonsense": 1}]}
        await Worker(app, executor).task

    for id, why in ((impossible, "cp_path"), (broken, "nonsense")):
        assert (read(id).wanted, read(id).state) == ("stopped", "failed")
        assert why in simulator_words.error(read(id))
    assert read(other).state == "finished"


@on_a_loop
async def test_a_refused_tag_ends_a_simulator_that_does_not_repeat(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async with central_system() as central:
        central.authorize_status = "Blocked"
        (id,) = make(central, rfid="CAFE")
        await Worker(app, executor).task

    row = read(id)
    assert (row.wanted, row.state, row.charges) == ("stopped", "failed", 0)
    assert simulator_words.error(row) == "id tag CAFE is refused: Blocked"


REFUSALS = {
    401: "wants this charge point's user name and password",
    403: "has blocked this charge point",
    404: "does not know this charge point, or the path is wrong",
    429: "too many tries",
    503: "is full or not ready",
    500: "answered 500: it refuses the connection",
}


@pytest.mark.parametrize("status", REFUSALS)
@on_a_loop
async def test_a_refused_simulator_says_why_and_tries_again(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, status: int
) -> None:
    tries: list[int] = []

    def refuse(connection: Any, _request: Any) -> Any:
        tries.append(status)
        return connection.respond(http.HTTPStatus(status), "no\n")

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=refuse) as server:
        central = Central()
        central.port = server.sockets[0].getsockname()[1]
        (id,) = make(central)
        async with working(app, executor):
            enough = 2 if status == 401 else 1  # the first pause is a second
            row = await until(id, lambda row: row.last_error and len(tries) >= enough)

            assert row.is_wanted
            assert REFUSALS[status] in simulator_words.error(row)
            command(simulators.stop, [id])
            await until(id, lambda row: row.state == "stopped")  # without waiting out its pause


@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "nothing listens at ws://127.0.0.1"), ("nowhere.invalid", "no such host in ws://nowhere")],
)
@on_a_loop
async def test_a_simulator_that_finds_nobody_says_so(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor, host: str, said: str
) -> None:
    central = Central()
    central.port = free_port()
    (id,) = make(central, host=host)
    async with working(app, executor):
        row = await until(id, lambda row: row.last_error)
        assert said in simulator_words.error(row)
        assert row.is_wanted

        with force_locale("es"):
            assert said not in simulator_words.error(row)


@on_a_loop
async def test_a_port_that_speaks_no_websocket_is_named(
    app: Flask, work: UnitOfWork, executor: ThreadPoolExecutor
) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, family=socket.AF_INET)
    central = Central()
    central.port = server.sockets[0].getsockname()[1]
    (id,) = make(central)
    async with working(app, executor):
        row = await until(id, lambda row: row.last_error)
        assert "does not speak WebSocket: is that the right port?" in simulator_words.error(row)
    server.close()
