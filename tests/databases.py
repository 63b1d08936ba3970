"""Databases to test on: SQLite files copied from a migrated template, and a PostgreSQL database."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from flask_migrate import upgrade
from sqlalchemy import create_engine, exists, make_url, select, text

from app import create_app
from app.config import Config
from app.db import db

# Decorate a test with it to run it on both databases.
both_databases = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
only_postgres = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail where every service must be there."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def settings(folder: Path, database_url: str) -> dict[str, object]:
    """The defaults, whatever this machine's environment says, in a folder of the test's own."""
    defaults = {name: value for name, value in vars(Config).items() if name.isupper()}
    return defaults | {
        "INSTANCE_PATH": str(folder),
        "LOG_DIR": str(folder / "logs"),
        "DATABASE_URL": database_url,
        "SECRET_KEY": "tests",
        "TIME_ZONE": "UTC",
    }


def migrate(folder: Path, database_url: str) -> None:
    """Apply every migration."""
    app = create_app(settings(folder, database_url))
    with app.app_context():
        upgrade()
        db.session.remove()
        if db.engine.dialect.name == "sqlite":
            with db.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()


def copy_sqlite(template: Path, folder: Path) -> str:
    """A fresh migrated database. Return its URL."""
    file = folder / "constellation.sqlite3"
    for leftover in folder.glob(f"{file.name}-*"):  # the journal of the file before
        leftover.unlink()
    file.unlink(missing_ok=True)
    shutil.copyfile(template, file)
    return f"sqlite:///{file}"


@contextmanager
def postgres_database(folder: Path, *, migrated: bool = True) -> Iterator[str]:
    """A database of this process's own on the test server, migrated unless told. Yields its URL."""
    url = make_url(os.environ.get("TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres")
    name = f"constellation_test_{os.getpid()}_{secrets.token_hex(4)}"
    url = url.set(drivername="postgresql")
    try:
        server = psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True, connect_timeout=3
        )
    except psycopg.OperationalError as error:
        unavailable(f"no PostgreSQL server: {error}")
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            own = url.set(database=name).render_as_string(hide_password=False)
            if migrated:
                migrate(folder, own)
            yield own
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def empty(database_url: str) -> None:
    """Leave no row in any table, and number them from one again. Much faster than TRUNCATE."""
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        for table in reversed(db.metadata.sorted_tables):
            if connection.execute(select(exists().select_from(table))).scalar():
                connection.execute(table.delete())
        connection.execute(
            text("SELECT setval(seqrelid, 1, false) FROM pg_sequence JOIN pg_class ON oid = seqrelid")
        )
    engine.dispose()
