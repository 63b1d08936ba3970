"""Several web processes and Redis between them: any process commands any charger, and sees them all."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.blueprints.ocpp.bus import Bus
from app.config import ROOT
from tests import databases
from tests.landing.phone import PASSWORD, Phone
from tests.ocpp.charge_point import ChargePoint, Refused, new_id
from tests.ocpp.redis_server import RedisServer, redis_server
from tests.ocpp.staff import Api, eventually, make_token, write
from tests.servers import RunningServer, flask

pytestmark = pytest.mark.redis

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
ACCEPTED = {"status": "Accepted"}
AWAY = {"detail": "the command bus (Redis) is away: charging goes on, commands do not"}


class Pair:
    """Two web processes on one database and one Redis, each on a port of its own, to know who does what.

    With PostgreSQL they are two installations, as on two machines: what they share is the settings.
    """

    def __init__(self, folder: Path, redis: RedisServer, database_url: str = "") -> None:
        env = {"REDIS_URL": redis.url, "DATABASE_URL": database_url, "SECRET_KEY": "the same on both"}
        self.redis = redis
        folders = [folder / name if database_url else folder for name in ("one", "two")]
        self.one, self.two = (RunningServer(place, **env) for place in folders)
        self.one.migrate()
        for server in self.both:
            server.start(wait=False)
        for server in self.both:
            server.wait_until_healthy()
        token = make_token(self.one) if not database_url else token_by_command(self.one)
        self.api_one, self.api_two = Api(self.one, token), Api(self.two, token)

    @property
    def both(self) -> tuple[RunningServer, RunningServer]:
        return self.one, self.two

    def stop(self) -> None:
        for server in self.both:
            server.stop()

    def connected(self, charger_id: str) -> tuple[bool, bool]:
        """What each process says of a charger."""
        path = f"/ocpp/chargers/{charger_id}/"
        return self.api_one.get(path)[1]["connected"], self.api_two.get(path)[1]["connected"]


def token_by_command(server: RunningServer) -> str:
    flask("users", "create", "boss", "--staff", "--password", "correct horse battery", env=server.env)
    return flask("tokens", "create", "boss", env=server.env).split()[-1]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def pair(
    request: pytest.FixtureRequest, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            url = stack.enter_context(databases.postgres_database(tmp_path_factory.mktemp("postgres")))
        pair = Pair(tmp_path_factory.mktemp("pair"), redis, url)
        stack.callback(pair.stop)
        yield pair


@pytest.fixture
def booted() -> Iterator[Callable[..., tuple[str, ChargePoint]]]:
    """Connect a charge point that boots."""
    points: list[ChargePoint] = []

    def boot(server: RunningServer, id: str = "", **options: Any) -> tuple[str, ChargePoint]:
        id = id or new_id()
        points.append(ChargePoint(server.port, f"/ocpp/{id}", **options))
        assert points[-1].ask("BootNotification", BOOT)[2]["status"] == "Accepted"
        return id, points[-1]

    yield boot
    for point in points:
        point.hang_up()


Booted = Callable[..., tuple[str, ChargePoint]]


def test_b6_any_process_commands_any_charger(pair: Pair, booted: Booted) -> None:
    for server in pair.both:
        id, point = booted(server)
        eventually(lambda id=id: pair.connected(id) == (True, True))
        with point.serving({"Reset": ACCEPTED}) as received:
            for api in (pair.api_one, pair.api_two):
                status, told = api.action(id, "reset")
                assert (status, told["response"]) == (200, ACCEPTED), told
                assert json.loads(told["sent"]) == received[-1]


@pytest.mark.slow
def test_e10_a_charger_of_another_process_is_stopped_when_the_credit_is_gone(
    pair: Pair, booted: Booted
) -> None:
    rfids = pair.one.instance / "tags.csv"
    rfids.write_text("rfid,user,allowed\nCAFE0001,ann,True\nCAFE0002,ann,True\n")
    for command in ("users create ann", "accounts credit ann 1", f"import_rfids {rfids}"):
        flask(*command.split(), env=pair.one.env)
    (_, here), (_, there) = booted(pair.one), booted(pair.two)
    payload = {"connectorId": 1, "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    ids = [
        point.ask("StartTransaction", payload | {"idTag": tag})[2]["transactionId"]
        for point, tag in ((here, "CAFE0001"), (there, "CAFE0002"))
    ]
    told = {"timestamp": "2026-01-01T00:10:00Z", "sampledValue": [{"value": "1000"}]}
    here.ask("MeterValues", {"connectorId": 1, "transactionId": ids[0], "meterValue": [told]})

    for point, id in zip((here, there), ids, strict=True):
        call = point.next_call("RemoteStopTransaction")
        assert call[3] == {"transactionId": id}
        point.answer(call, ACCEPTED)


@pytest.mark.slow
def test_h1_a_driver_starts_and_stops_by_a_phone_that_another_process_serves(
    pair: Pair, booted: Booted
) -> None:
    rfids = pair.one.instance / "tags.csv"
    rfids.write_text("rfid,user,allowed\nCAFE0003,eva,True\n")
    flask("users", "create", "eva", "--password", PASSWORD, env=pair.one.env)
    for command in ("accounts credit eva 5", f"import_rfids {rfids}"):
        flask(*command.split(), env=pair.one.env)
    id, point = booted(pair.two)
    point.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
    eventually(lambda: pair.connected(id) == (True, True))
    phone, page = Phone(pair.one, "eva"), f"/ocpp/c/{id}/"

    assert "Start charging" in phone.get(page)
    with point.serving({"RemoteStartTransaction": ACCEPTED}) as received:
        assert "The charger has accepted." in phone.submit(f"{page}start/", connector_id=1)
    assert received[-1][2:] == ["RemoteStartTransaction", {"idTag": "CAFE0003", "connectorId": 1}]

    start = {"connectorId": 1, "idTag": "CAFE0003", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    session = point.ask("StartTransaction", start)[2]["transactionId"]
    assert "You are charging" in phone.get(page)
    with point.serving({"RemoteStopTransaction": ACCEPTED}) as received:
        assert "The charger is stopping." in phone.submit(f"{page}stop/", transaction=session)
    assert received[-1][2:] == ["RemoteStopTransaction", {"transactionId": session}]


def test_b6_whoever_asks_after_a_few_chargers_hears_of_those_elsewhere(pair: Pair, booted: Booted) -> None:
    ids = [booted(server)[0] for server in pair.both]
    somebody = Bus(pair.redis.url)

    eventually(lambda: somebody.held_elsewhere([*ids, "nobody"]) == set(ids))


PYTHON = """
import sys, threading
from app import create_app
app = create_app()
from app.blueprints.ocpp import operations
with app.app_context():
    print(operations.perform(sys.argv[1], {"action": "reset"}).response, threading.active_count())
"""


@pytest.mark.slow
def test_h1_a_python_program_that_serves_nobody_commands_them_too(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    eventually(lambda: pair.connected(id) == (True, True))
    with point.serving({"Reset": ACCEPTED}):
        command = [sys.executable, "-c", PYTHON, id]
        told = subprocess.run(
            command, cwd=ROOT, env=pair.one.env, capture_output=True, text=True, timeout=60, check=False
        )
    assert told.stdout == "{'status': 'Accepted'} 1\n", told.stderr  # and it starts no threads


def test_b6_every_end_of_a_command_crosses_the_bus(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    api = pair.api_two
    eventually(lambda: pair.connected(id) == (True, True))
    with ThreadPoolExecutor() as pool:
        told = pool.submit(api.action, id, "reset")
        point.refuse(point.next_call("Reset"), "InternalError", "smoke")
        assert told.result() == (502, {"detail": "InternalError: smoke"})

        assert api.action(id, "reset", timeout=0.5)[0] == 504
        point.next_call("Reset")
        assert api.action(id, "reset", type="Medium")[0] == 400
        assert api.action("nobody-of-this-name", "reset") == (404, {"detail": "no connection"})

        told = pool.submit(api.action, id, "clear_cache")
        point.next_call("ClearCache")
        began = time.monotonic()
        point.hang_up()
        assert told.result() == (404, {"detail": "no connection"})
        assert time.monotonic() - began < 2
    eventually(lambda: pair.connected(id) == (False, False))


def test_b6_a_command_that_waits_its_turn_elsewhere_is_waited_for(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    eventually(lambda: pair.connected(id) == (True, True))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(pair.api_one.action, id, "reset", timeout=3)
        point.next_call("Reset")
        second = pool.submit(pair.api_two.action, id, "clear_cache", timeout=1)
        assert first.result()[0] == 504
        point.answer(point.next_call("ClearCache"), ACCEPTED)
        assert second.result()[0] == 200


@pytest.mark.parametrize("pair", ["sqlite"], indirect=True)
def test_c2_what_a_registration_forbids_is_told_by_the_other_process(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    write(pair.one, "UPDATE charger SET registration_status = 'Pending' WHERE charger_id = ?", id)
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Pending"
    eventually(lambda: pair.connected(id) == (True, True))
    status, told = pair.api_two.action(id, "remote_start", id_tag="CAFE")
    assert status == 400
    assert "pending" in told["detail"]


def test_c3_presence_is_the_same_on_every_process(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.two)
    eventually(lambda: pair.connected(id) == (True, True), 2)
    point.close()
    eventually(lambda: pair.connected(id) == (False, False), 2)


def test_c3_pages_follow_what_happens_on_another_process(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    with following(pair.two) as told:
        time.sleep(1)
        assert point.ask(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"}
        )
        eventually(lambda: any(id in line and "faulted" in line.lower() for line in told))
        told.clear()
        point.close()
        eventually(lambda: any(id in line for line in told))


@contextmanager
def following(server: RunningServer) -> Iterator[list[str]]:
    """The lines of a process's event stream, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/ocpp/events/")
    response = connection.getresponse()
    assert response.status == 200
    lines: list[str] = []

    def read() -> None:
        try:
            while line := response.fp.readline():
                lines.append(line.decode())
        except (OSError, ValueError, AttributeError):
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        assert connection.sock is None or connection.sock.shutdown(2) is None
        thread.join(5)


def test_a6_a_charger_that_reconnects_elsewhere_is_one_charger(pair: Pair, booted: Booted) -> None:
    """The old socket is closed, and its end marks nobody offline."""
    id, old = booted(pair.one)
    eventually(lambda: pair.connected(id) == (True, True))
    for server in (pair.two, pair.one, pair.two, pair.one):
        _, new = booted(server, id)
        assert old.closed(3).code == 1000
        old.hang_up()
        with new.serving({"Reset": ACCEPTED}):
            for _ in range(10):
                assert pair.connected(id) == (True, True)
                assert pair.api_one.action(id, "reset")[0] == 200
                assert pair.api_two.action(id, "reset")[0] == 200
        old = new


def test_a6_an_old_socket_that_dies_late_marks_nobody_offline(pair: Pair, booted: Booted) -> None:
    id, _silent = booted(pair.one)
    _, new = booted(pair.two, id)
    time.sleep(4)  # the old one was not answered, and is hung up on
    assert pair.connected(id) == (True, True)
    with new.serving({"Reset": ACCEPTED}):
        assert pair.api_one.action(id, "reset")[0] == 200


def test_a6_an_impostor_on_another_process_is_refused(pair: Pair, booted: Booted) -> None:
    id, point = booted(pair.one)
    eventually(lambda: pair.connected(id) == (True, True))
    with point.serving():
        with pytest.raises(Refused) as refusal:
            ChargePoint(pair.two.port, f"/ocpp/{id}", source="127.0.0.2")
        assert refusal.value.status == 403
    assert point.ask("Heartbeat")[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["stopped", "frozen"])
def test_b6_without_redis_charging_goes_on_and_everything_resumes(
    pair: Pair, redis: RedisServer, booted: Booted, trouble: str
) -> None:
    (one, here), (two, there) = booted(pair.one), booted(pair.two)
    eventually(lambda: pair.connected(one) == pair.connected(two) == (True, True))
    redis.stop() if trouble == "stopped" else redis.freeze()
    try:
        for point in (here, there):
            began = time.monotonic()
            charge(point)
            assert time.monotonic() - began < 2
        with here.serving({"Reset": ACCEPTED}):
            assert pair.api_one.action(one, "reset")[0] == 200
        began = time.monotonic()
        assert pair.api_one.action(two, "reset") == (503, AWAY)
        assert pair.api_two.action(one, "reset") == (503, AWAY)
        assert time.monotonic() - began < (12 if trouble == "frozen" else 3)
        assert pair.api_one.get(f"/ocpp/chargers/{one}/")[1]["connected"] is True
        new, newcomer = booted(pair.two)  # unknown until now
        there.close()
        _, there = booted(pair.one, two)  # moves while nobody can be told
    finally:
        redis.start() if trouble == "stopped" else redis.thaw()

    eventually(lambda: pair.connected(one) == pair.connected(two) == pair.connected(new) == (True, True), 20)
    for id, point in ((one, here), (two, there), (new, newcomer)):
        with point.serving({"Reset": ACCEPTED}):
            eventually(lambda id=id: pair.api_one.action(id, "reset")[0] == 200, 10)
            eventually(lambda id=id: pair.api_two.action(id, "reset")[0] == 200, 10)
    with following(pair.one) as told:
        time.sleep(1)
        newcomer.close()
        eventually(lambda: any(new in line for line in told))


def charge(point: ChargePoint) -> None:
    now = "2026-01-01T00:00:00Z"
    start = {"connectorId": 1, "idTag": new_id("T"), "meterStart": 0, "timestamp": now}
    transaction = point.ask("StartTransaction", start)[2]["transactionId"]
    sample = {"timestamp": now, "sampledValue": [{"value": "10"}]}
    assert (
        point.ask("MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": [sample]})[0]
        == 3
    )
    stop = {"transactionId": transaction, "meterStop": 20, "timestamp": now}
    assert point.ask("StopTransaction", stop)[0] == 3


@pytest.mark.slow
def test_c3_a_redis_that_forgets_everything_is_told_again(
    pair: Pair, redis: RedisServer, booted: Booted
) -> None:
    id, point = booted(pair.one)
    eventually(lambda: pair.connected(id) == (True, True))
    redis.forget()
    eventually(lambda: pair.connected(id) == (True, True), 15)
    with point.serving({"Reset": ACCEPTED}):
        assert pair.api_two.action(id, "reset")[0] == 200


# One gunicorn with two processes, as WEB_CONCURRENCY=2 gives it


@pytest.fixture
def double(redis: RedisServer, tmp_path: Path) -> Iterator[RunningServer]:
    redis.forget()
    server = RunningServer(tmp_path, REDIS_URL=redis.url, WEB_CONCURRENCY="2")
    server.migrate()
    server.start()
    eventually(lambda: redis.processes() >= 2, 20)
    yield server
    server.stop()


def workers(server: RunningServer) -> list[int]:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children]


@pytest.mark.slow
def test_c3_after_the_kill_of_a_process_its_chargers_are_shown_disconnected(
    double: RunningServer, booted: Booted
) -> None:
    """At most one minute late; the other process's chargers do not notice."""
    api = Api(double, make_token(double))
    points = dict(booted(double) for _ in range(40))
    eventually(lambda: all(connected(api).values()) and len(connected(api)) == 40, 10)
    for id, point in points.items():
        with point.serving({"Reset": ACCEPTED}):
            assert api.action(id, "reset")[0] == 200

    with following(double) as told:
        os.kill(workers(double)[0], signal.SIGKILL)
        killed_at = time.monotonic()
        time.sleep(1)
        gone = {id for id, point in points.items() if is_closed(point)}
        assert 0 < len(gone) < 40
        eventually(lambda: {id for id, state in connected(api).items() if not state} == gone, 60)
        assert time.monotonic() - killed_at < 60
        if not told_to_end(told):
            eventually(lambda: all(any(id in line for line in told) for id in gone), 60)
    for id in gone:
        assert api.action(id, "reset") == (404, {"detail": "no connection"})
    for id in points.keys() - gone:
        with points[id].serving({"Reset": ACCEPTED}):
            assert api.action(id, "reset")[0] == 200
    back, _ = booted(double, next(iter(gone)))
    eventually(lambda: connected(api)[back])


def told_to_end(lines: list[str]) -> bool:
    """Whether the stream was on the process that was killed."""
    return not lines or lines[-1] == ""


def connected(api: Api) -> dict[str, bool]:
    return {
        row["charger_id"]: row["connected"] for row in api.get("/ocpp/chargers/?per_page=100")[1]["chargers"]
    }


def is_closed(point: ChargePoint) -> bool:
    point.socket.settimeout(0.05)
    try:
        return point.socket.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
