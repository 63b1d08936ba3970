"""A running server, its token, its database and charge points for the tests of the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ocpp import rules
from tests.ocpp.charge_point import ChargePoint
from tests.ocpp.drivers import check_books
from tests.ocpp.rules import Clock, Site
from tests.ocpp.staff import Api, make_token, read
from tests.servers import RunningServer, running_server

MAX_CHARGERS, MAX_PER_ADDRESS, NEW_PER_HOUR = 6, 3, 4

Connect = Callable[..., ChargePoint]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A gunicorn with the default settings, shared by all tests that leave it running."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running
        running.kill()  # nothing of it is needed any more


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same, where the JSON schema decides."""
    with running_server(tmp_path_factory.mktemp("strict"), OCPP_VALIDATION="strict") as running:
        yield running
        running.kill()  # nothing of it is needed any more


@pytest.fixture(scope="session")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for known chargers only, and few of them, behind one proxy."""
    settings = {
        "OCPP_AUTO_REGISTER": "0",
        "OCPP_MAX_CHARGERS": str(MAX_CHARGERS),
        "OCPP_MAX_CHARGERS_PER_ADDRESS": str(MAX_PER_ADDRESS),
        "OCPP_REQUIRE_SUBPROTOCOL": "1",
        "OCPP_ALLOWED_ORIGINS": "https://hmi.example, http://10.0.0.9:81",
        "TRUSTED_PROXIES": "1",
    }
    with running_server(tmp_path_factory.mktemp("closed"), **settings) as running:
        yield running
        running.kill()  # nothing of it is needed any more


@pytest.fixture(scope="session")
def wary_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that lets an address create few new chargers, and hangs up on the silent after two seconds."""
    settings = {"OCPP_NEW_CHARGERS_PER_HOUR": str(NEW_PER_HOUR), "OCPP_PING_INTERVAL": "1"}
    with running_server(tmp_path_factory.mktemp("wary"), **settings) as running:
        yield running
        running.kill()  # nothing of it is needed any more


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open charge points: ``connect(server, "/ocpp/CP-1", …)``; they are hung up on after the test."""
    opened: list[ChargePoint] = []

    def open_one(server: RunningServer, path: str = "/CP", **options: Any) -> ChargePoint:
        opened.append(ChargePoint(server.port, path, **options))
        return opened[-1]

    yield open_one
    for charger in opened:
        charger.hang_up()


@pytest.fixture(scope="session")
def api_token(server: RunningServer) -> str:
    """A staff member's API token on ``server``."""
    return make_token(server)


@pytest.fixture
def api(server: RunningServer, api_token: str) -> Api:
    """The JSON addresses of ``server``."""
    return Api(server, api_token)


@pytest.fixture
def rows(server: RunningServer) -> Callable[..., list[dict[str, Any]]]:
    """Read the database of ``server``: ``rows("SELECT … WHERE x = ?", x)`` → a list of dicts."""
    return lambda sql, *values: read(server, sql, *values)


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    """The rules on the test's database, without sockets. Afterwards every account's total must be right."""
    site = Site(rules.connect(database))
    yield site
    site.end()
    site.check_books()
    site.engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the rules, to be moved."""
    clock = Clock()
    monkeypatch.setattr("app.blueprints.ocpp.work.utcnow", clock)
    return clock


@pytest.fixture
def books(server: RunningServer) -> Iterator[None]:
    """After the test, every account's total on ``server`` must be the sum of its transactions."""
    yield
    check_books(server)
