"""A database for one run: a fresh SQLite file, or a throwaway PostgreSQL database."""

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

SQLITE_NAME = "constellation.sqlite3"
_numbers = itertools.count(1)


class SqliteFile:
    """The file that a server makes in its instance folder when it is told nothing."""

    url: str | None = None
    # A time, as SQL.
    now = "'2026-01-01 00:00:00.000000'"

    def __init__(self, instance: Path) -> None:
        self._path = instance / SQLITE_NAME

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT."""
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        """Change something."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
            connection.execute(sql)


class PostgresDatabase:
    """A database of this name on this server."""

    now = "TIMESTAMPTZ '2026-01-01 00:00:00Z'"

    def __init__(self, server_url: str, name: str) -> None:
        self.url: str | None = urlsplit(server_url)._replace(path=f"/{name}").geturl()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT."""
        with psycopg.connect(str(self.url)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        """Change something."""
        with psycopg.connect(str(self.url)) as connection:
            connection.execute(sql)


Database = SqliteFile | PostgresDatabase


@contextlib.contextmanager
def fresh_database(postgres_url: str | None, instance: Path) -> Iterator[Database]:
    """Yield an empty database for one server; what PostgreSQL holds is dropped afterwards."""
    if postgres_url is None:
        yield SqliteFile(instance)
        return
    name = f"bench_{os.getpid()}_{next(_numbers)}"
    _administer(postgres_url, f'CREATE DATABASE "{name}"')
    try:
        yield PostgresDatabase(postgres_url, name)
    finally:
        _administer(postgres_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def postgres_settings(postgres_url: str) -> str:
    """Tell the version and what decides how durable a commit is."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'),"
            " current_setting('synchronous_commit')"
        ).fetchall()
    return "PostgreSQL {}, fsync {}, synchronous_commit {}".format(*found[0])


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
