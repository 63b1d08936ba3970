"""Fixtures: the application on a real, migrated database, and who may be calling it.

``work`` is the session that factories and services use; a ``client`` commits it before each request. For both
databases, decorate a test with ``tests.databases.both_databases``. Settings of a test: its own ``overrides``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from argon2 import PasswordHasher
from flask import Flask

from app import create_app
from app.blueprints.accounts.services import create_token, create_user, passwords
from app.blueprints.ocpp.engine import Engine
from app.db import UnitOfWork, db, unit_of_work
from app.extensions import limiter
from tests import databases
from tests.clients import Browser


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> None:
    """Passwords of tests need not resist anybody."""
    passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file that every migration has been applied to."""
    folder = tmp_path_factory.mktemp("sqlite")
    databases.migrate(folder, f"sqlite:///{folder / 'template.sqlite3'}")
    return folder / "template.sqlite3"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL database of this test process."""
    with databases.postgres_database(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def worker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance folder of this test process."""
    return tmp_path_factory.mktemp("instance")


@pytest.fixture
def database(request: pytest.FixtureRequest, worker_folder: Path) -> str:
    """The URL of an empty, migrated database: SQLite unless the test asks for another."""
    if getattr(request, "param", "sqlite") == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        databases.empty(url)
        return url
    return databases.copy_sqlite(request.getfixturevalue("sqlite_template"), worker_folder)


@pytest.fixture
def redis_url() -> str:
    """An empty Redis database."""
    url = os.environ.get("TEST_REDIS_URL") or "redis://127.0.0.1:6379/15"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3) as server:
            server.flushdb()
    except redis.RedisError as error:
        databases.unavailable(f"no Redis server: {error}")
    return url


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of this test."""
    return {}


@pytest.fixture
def app(
    request: pytest.FixtureRequest, database: str, overrides: dict[str, Any], worker_folder: Path
) -> Iterator[Flask]:
    """The application. CSRF and rate limits are on, as in life.

    Making it costs more than most tests do: those without settings or a folder of their own share one.
    """
    if overrides or "tmp_path" in request.fixturenames:
        folder = request.getfixturevalue("tmp_path")
        app = create_app(databases.settings(folder, database) | overrides)
    else:
        app = _shared(database, worker_folder)
    config = dict(app.config)
    app.test_client_class = Browser
    limiter.reset()
    yield app
    app.extensions["ocpp"].journal.stop()
    app.config.clear()
    app.config.update(config)
    with app.app_context():
        db.engine.dispose()


_shared_apps: dict[str, Flask] = {}


def _shared(database: str, folder: Path) -> Flask:
    app = _shared_apps.get(database)
    if app is None:
        app = _shared_apps[database] = create_app(databases.settings(folder, database))
    app.extensions["ocpp"] = Engine(app)
    app.extensions["site_map"].forget()
    return app


@pytest.fixture
def work(app: Flask) -> Iterator[UnitOfWork]:
    """A session of the test's own, rolled back at the end."""
    with app.app_context():
        yield db.session()
        db.session.rollback()


@pytest.fixture
def client(app: Flask) -> Browser:
    """A stranger's browser."""
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def staff(app: Flask) -> Browser:
    """The browser of a member of staff, ``staff``, who is logged in."""
    browser: Browser = app.test_client()  # type: ignore[assignment]
    with app.app_context(), unit_of_work() as work:
        user = create_user(work, "staff", is_staff=True)
        return browser.log_in(user)


@pytest.fixture
def api(app: Flask) -> dict[str, str]:
    """Headers with an API token, of the user ``robot``."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}
