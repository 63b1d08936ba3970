"""E9: the server is killed, restarted or loses its database; what it acknowledged is there afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmark.load import Load
from tests.ocpp.charge_point import PING, PONG, ChargePoint, Closed, new_id
from tests.ocpp.crowd import Place, place
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import Api, eventually
from tests.servers import DATABASE, RunningServer

CHARGERS = 60
both = pytest.mark.parametrize(
    "where", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
only_postgres = pytest.mark.parametrize(
    "where", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as found:
        found.give_credit(CHARGERS)
        found.server.start()
        yield found


@pytest.fixture
def load(where: Place) -> Iterator[Load]:
    with Load(where.server.port, CHARGERS) as load:
        load.connect()
        assert not load.ledger.errors
        yield load


@pytest.mark.slow
@both
def test_e9_a_kill_in_the_midst_of_a_load_loses_nothing_acknowledged(where: Place, load: Load) -> None:
    for _ in range(2):
        load.run(3, then=where.server.kill)
        load.outlive()
        where.server.start()
        load.connect()
    load.run(2)
    load.drain()

    assert load.ledger.calls > 1000
    assert not load.ledger.errors
    where.server.stop()
    where.check(load)


@pytest.mark.slow
@both
def test_e9_a_restart_in_the_midst_of_a_load_loses_nothing_acknowledged(where: Place, load: Load) -> None:
    process = where.server.process
    assert process is not None
    load.run(3, then=process.terminate)
    load.outlive()
    assert process.wait(10) == 0
    where.server.start()
    load.connect()
    load.run(2)
    load.drain()

    assert not load.ledger.errors
    where.server.stop()
    where.check(load)


@pytest.mark.slow
@only_postgres
def test_e9_without_its_database_for_a_while_nothing_is_acknowledged_and_nothing_lost(
    where: Place, load: Load
) -> None:
    proxy = where.proxy
    assert proxy is not None

    def trouble() -> None:
        time.sleep(2)
        proxy.go_away()
        time.sleep(6)
        proxy.come_back()
        for _ in range(4):
            time.sleep(1)
            proxy.drop()

    troubling = threading.Thread(target=trouble)
    troubling.start()
    calls = [load.run(1).calls for _ in range(15)]
    troubling.join()
    load.drain()

    assert 0 in calls[1:9]  # nobody was answered meanwhile; a second of load is longer on a busy machine
    assert calls[-1] > 0
    assert load.connected == CHARGERS
    refused = [text for text in load.ledger.errors if "InternalError" not in text]
    assert not refused  # where a COMMIT was under way, its operations are told that they failed
    assert sum(load.ledger.errors.values()) <= 5 * CHARGERS
    where.server.stop()
    where.check(load, surplus=False)


@pytest.mark.slow
@only_postgres
def test_e9_a_charger_waits_for_a_database_that_comes_back(where: Place) -> None:
    proxy = where.proxy
    assert proxy is not None
    with ChargePoint(where.server.port, f"/ocpp/{new_id()}", timeout=30) as point:
        assert point.ask("Heartbeat")[0] == 3
        proxy.go_away()
        asked = [point.call("Heartbeat") for _ in range(3)]
        point.send_frame(b"", PING)
        assert point.receive_frame()[0] == PONG  # the line lives
        assert point.is_silent(5)
        proxy.come_back()
        assert [point.receive_message()[:2] for _ in asked] == [[3, id] for id in asked]
    assert Api(where.server).get("/healthz")[0] == 200


@pytest.mark.slow
@only_postgres
def test_e9_a_restart_does_not_wait_for_a_database_that_is_away(where: Place) -> None:
    proxy, process = where.proxy, where.server.process
    assert proxy is not None
    assert process is not None
    with ChargePoint(where.server.port, f"/ocpp/{new_id()}") as point:
        assert point.ask("Heartbeat")[0] == 3
        proxy.go_away()
        point.call("Heartbeat")
        time.sleep(1)
        began = time.monotonic()
        process.terminate()
        with pytest.raises(Closed, match="1001"):  # the Heartbeat is not acknowledged
            point.receive()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 6


@pytest.mark.slow
@pytest.mark.redis
@both
def test_e9_the_kill_of_one_of_two_processes_loses_nothing_acknowledged(where: Place, tmp_path: Path) -> None:
    where.server.stop()
    with redis_server() as redis:
        where.server.env |= {"WEB_CONCURRENCY": "2", "REDIS_URL": redis.url}
        where.server.start()
        eventually(lambda: redis.processes() == 2, 20)
        with Load(where.server.port, CHARGERS) as load:
            load.connect()
            load.run(2)
            os.kill(workers(where.server)[0], signal.SIGKILL)
            load.run(1)
            load.connect()  # those that were lost
            load.run(2)
            load.drain()
            lost = sum(load.ledger.errors.values())
            assert 0 < lost < CHARGERS
            assert all(text.startswith("lost a charger") for text in load.ledger.errors)
            where.server.stop()
            where.check(load)


def workers(server: RunningServer) -> list[int]:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children]


def test_e9_another_process_that_writes_delays_answers_and_stops_nobody(server: RunningServer) -> None:
    with (
        ChargePoint(server.port, f"/ocpp/{new_id()}") as one,
        ChargePoint(server.port, f"/ocpp/{new_id()}") as two,
    ):
        assert one.ask("Heartbeat")[0] == two.ask("Heartbeat")[0] == 3
        other = sqlite3.connect(server.instance / DATABASE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asked = one.call("Heartbeat")
        slowest, until = 0.0, time.monotonic() + 2
        while time.monotonic() < until:
            began = time.monotonic()
            two.send_frame(b"", PING)
            assert two.receive_frame()[0] == PONG
            slowest = max(slowest, time.monotonic() - began)
        assert one.is_silent(0.1)
        other.execute("COMMIT")
        other.close()
        assert one.answer_to(asked)[0] == 3
    assert slowest < 0.5
