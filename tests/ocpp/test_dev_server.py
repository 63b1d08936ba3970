"""The plain development server, which has threads where gunicorn has greenlets: ``flask --app wsgi run``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.config import ROOT
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import Api, eventually, make_token
from tests.servers import RunningServer

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
ACCEPTED = {"status": "Accepted"}


class DevelopmentServer(RunningServer):
    """``flask run`` in the place of gunicorn."""

    def start(self, wait: bool = True) -> None:
        """Start, and wait until it is healthy."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "run", "--port", str(self.port)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdout=output, stderr=output, start_new_session=True
            )
        self.wait_until_healthy()


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentServer]:
    server = DevelopmentServer(tmp_path_factory.mktemp("development"))
    server.migrate()
    try:
        server.start()
        yield server
    finally:
        server.kill()


def test_a_charger_is_served_and_commanded(development: DevelopmentServer) -> None:
    id, api = new_id(), Api(development, make_token(development))
    with ChargePoint(development.port, f"/ocpp/{id}") as point:
        assert point.ask("BootNotification", BOOT)[2]["status"] == "Accepted"
        with point.serving({"Reset": ACCEPTED}):
            status, told = api.action(id, "reset")
            assert (status, told["response"]) == (200, ACCEPTED)
        assert api.get(f"/ocpp/chargers/{id}/")[1]["connected"] is True
        assert api.action(id, "reset", timeout=0.3)[0] == 504
    eventually(lambda: api.get(f"/ocpp/chargers/{id}/")[1]["connected"] is False)
    assert api.action(id, "reset") == (404, {"detail": "no connection"})


def test_a_newer_socket_takes_over(development: DevelopmentServer) -> None:
    id = new_id()
    old = ChargePoint(development.port, f"/ocpp/{id}")
    assert old.ask("BootNotification", BOOT)[0] == 3
    with ChargePoint(development.port, f"/ocpp/{id}") as new:
        assert old.closed().code == 1000
        assert new.ask("Heartbeat")[0] == 3


def test_many_threads_at_once(development: DevelopmentServer) -> None:
    api = Api(development, make_token(development))

    def work(number: int) -> str:
        id = new_id()
        with ChargePoint(development.port, f"/ocpp/{id}", timeout=30) as point:
            assert point.ask("BootNotification", BOOT)[0] == 3
            asked = [point.call("Heartbeat") for _ in range(25)]
            assert [point.receive_message()[1] for _ in asked] == asked
            with point.serving({"Reset": ACCEPTED}):
                assert api.action(id, "reset")[0] == 200
        return id

    with ThreadPoolExecutor(24) as pool:
        ids = set(pool.map(work, range(24)))
    seen = {row["charger_id"] for row in api.get("/ocpp/chargers/?per_page=100")[1]["chargers"]}
    assert ids <= seen
    assert "Traceback" not in development.output
