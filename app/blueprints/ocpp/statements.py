"""The SQL of the message path: written once, executed on the driver with plain tuples, many rows at a time.

What SQLAlchemy does for each row (types, parameters, result objects) costs more than the database itself, so
the hot path speaks to the driver. SQL is written in PostgreSQL's words with ``?`` for a parameter; SQLite's
differ in two places only, below. Names of tables and columns come from our own models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, BigInteger, Boolean, Connection, Date, Integer, Numeric, Table

from app.db import UTCDateTime

Rows = Callable[[], list[Any]]


class Dialogue:
    """One database connection, spoken to in tuples."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._driver: Any = connection.connection.driver_connection
        self.sqlite = connection.dialect.name == "sqlite"
        self.stored: Callable[[datetime | None], Any] = _sqlite_time if self.sqlite else _same
        self.loaded: Callable[[Any], Any] = _from_sqlite if self.sqlite else _same

    def all(self, sql: str, row: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement; its rows."""
        cursor = self._execute(sql, row)
        found: list[Any] = cursor.fetchall()
        cursor.close()
        return found

    def ask(self, sql: str, row: Sequence[Any] = ()) -> Rows:
        """Execute a statement whose rows are read after the pipeline: inside it, they are not there."""
        if self.sqlite:
            found = self.all(sql, row)
            return lambda: found
        rows: Rows = self._execute(sql, row).fetchall
        return rows

    def one(self, sql: str, row: Sequence[Any] = ()) -> Any:
        """Execute a statement; its first row, or None."""
        cursor = self._execute(sql, row)
        found = cursor.fetchone()
        cursor.close()
        return found

    def run(self, sql: str, row: Sequence[Any] = ()) -> None:
        """Execute a statement that returns nothing."""
        self._execute(sql, row).close()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        cursor = self._cursor()
        cursor.executemany(sql, rows)
        cursor.close()

    def pipeline(self) -> AbstractContextManager[Any]:
        """Statements inside the block go to PostgreSQL in one go, and their results are read at its end."""
        return nullcontext() if self.sqlite else self._driver.pipeline()

    def members(self, values: Iterable[Any]) -> Any:
        """A list as one parameter, for ``= ANY(?)``."""
        return json.dumps(list(values)) if self.sqlite else list(values)

    def _execute(self, sql: str, row: Sequence[Any]) -> Any:
        cursor = self._cursor()
        cursor.execute(_for_sqlite(sql) if self.sqlite else _for_postgres(sql), row)
        return cursor

    def _cursor(self) -> Any:
        return self._driver.cursor()


@lru_cache
def _for_sqlite(sql: str) -> str:
    return (
        sql.replace("= ANY(?)", "IN (SELECT value FROM json_each(?))")
        .replace("FOR UPDATE OF rfid", "")
        .replace("FOR UPDATE", "")
    )


@lru_cache
def _for_postgres(sql: str) -> str:
    return sql.replace("?", "%s")


class Insert:
    """Inserts rows in bulk; ``suffix`` is an ON CONFLICT clause (one row a key in a batch)."""

    def __init__(self, table: Table, columns: Sequence[str], suffix: str = "") -> None:
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        self.sqlite = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {suffix}"  # noqa: S608
        self.columns = tuple(columns)
        self.postgres = f"INSERT INTO {table.name} ({names}) {_recordset(table, columns)} {suffix}"

    def execute(self, dialogue: Dialogue, rows: Sequence[Sequence[Any]]) -> Rows:
        """Insert the rows, nothing when there are none. Returns what PostgreSQL returns."""
        return _execute(dialogue, self, rows)


class Update:
    """Updates rows by key, in bulk. ``sets``: each column's expression, with ``{}`` for the row's value."""

    def __init__(self, table: Table, sets: Mapping[str, str], key: str = "id") -> None:
        name = table.name
        at_once = ", ".join(f"{column} = {form.format('?')}" for column, form in sets.items())
        joined = ", ".join(f"{column} = {form.format('v.' + column)}" for column, form in sets.items())
        columns = [*sets, key]
        source = _recordset(table, columns)
        self.sqlite = f"UPDATE {name} SET {at_once} WHERE {key} = ?"  # noqa: S608
        self.postgres = f"UPDATE {name} SET {joined} FROM ({source}) AS v WHERE {name}.{key} = v.{key}"  # noqa: S608
        self.columns = tuple(columns)

    def execute(self, dialogue: Dialogue, rows: Sequence[Sequence[Any]]) -> Rows:
        """Update the rows, each a tuple of the new values and then the key."""
        return _execute(dialogue, self, rows)


def _execute(dialogue: Dialogue, statement: Insert | Update, rows: Sequence[Sequence[Any]]) -> Rows:
    if not rows:
        return list
    if dialogue.sqlite:
        dialogue.many(statement.sqlite, rows)
        return list
    # One parameter however many rows: psycopg would spend more on each value than PostgreSQL does.
    records = [dict(zip(statement.columns, row, strict=True)) for row in rows]
    return dialogue.ask(statement.postgres, (orjson.dumps(records).decode(),))


def _recordset(table: Table, columns: Sequence[str]) -> str:
    """A SELECT of the rows that come as one JSON parameter."""
    kinds = ", ".join(f"{column} {_postgres_type(table.c[column].type)}" for column in columns)
    casts = {column: "::json" for column in columns if isinstance(table.c[column].type, JSON)}
    names = ", ".join(f"r.{column}{casts.get(column, '')} AS {column}" for column in columns)
    return f"SELECT {names} FROM json_to_recordset(?::json) AS r({kinds})"  # noqa: S608


def _postgres_type(type_: Any) -> str:
    for python_type, name in _POSTGRES_TYPES:
        if isinstance(type_, python_type):
            return name
    return "text"


_POSTGRES_TYPES = (
    (UTCDateTime, "timestamptz"),
    (Date, "date"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (Numeric, "numeric"),
)


def _same(value: Any) -> Any:
    return value


def _sqlite_time(value: datetime | None) -> str | None:
    """As SQLAlchemy stores it: UTC, without a zone."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _from_sqlite(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
