"""A running server, its token, its database and charge points for the tests of the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint
from tests.ocpp.staff import Api, make_token, read
from tests.servers import RunningServer, running_server

Connect = Callable[..., ChargePoint]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A gunicorn with the default settings, shared by all tests that leave it running."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The same, where the JSON schema decides."""
    with running_server(tmp_path_factory.mktemp("strict"), OCPP_VALIDATION="strict") as running:
        yield running


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
