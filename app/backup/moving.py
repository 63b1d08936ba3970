"""An SQLite installation, copied into a PostgreSQL database: all of it in one transaction, or nothing.

Values travel as SQLite has them, without our column types in between, so that secrets stay encrypted and a
missing value is not taken for an empty one. A copy that is stopped in the middle leaves the target as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_babel import gettext
from sqlalchemy import Boolean, Connection, Engine, Table, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.backup import postgres, restoring
from app.backup.errors import BackupFailed
from app.backup.making import stamp
from app.db import POSTGRES_PATIENCE, UTCDateTime, db

# Rows that are read and written at a time.
CHUNK = 2_000
# What must add up to the same on both sides: name → table and column.
TOTALS = {
    "energy charged, Wh": ("charge_transaction", "energy_wh"),
    "credits, kWh": ("credit", "amount_kwh"),
    "balances: credited, Wh": ("account", "credited_wh"),
    "balances: spent, Wh": ("account", "spent_wh"),
}

# Told, of a table, how many rows are done, and how many there are.
Listener = Callable[[str, int, int], None]
Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Moved:
    """What is in the new database, the same as in the old one."""

    rows: dict[str, int]
    totals: dict[str, Decimal]
    # The schema that keeps what was there before; empty: nothing was.
    aside: str


def copy(
    source: Engine, settings: Mapping[str, Any], url: str, *, replace: bool = False, tell: Listener
) -> Moved:
    """Copy the installation's database to this address, and compare. The server must not be running.

    ``replace``: what the target holds is moved aside; else it must be empty. Raises ``BackupFailed``.
    """
    if source.dialect.name != "sqlite":
        raise BackupFailed(gettext("this installation's database is none of SQLite: pg_dump copies it"))
    target = _target(url)
    try:
        with restoring.alone(Path(settings["INSTANCE_PATH"]).resolve()):
            restoring.check_nobody_lives(source)
            with source.connect() as here, target.begin() as there:
                _check_revision(here, settings)
                aside = _make_room(there, replace=replace)
                _migrate(there, settings)
                rows = {table.name: _copy_table(here, there, table, tell) for table in _tables()}
                _number_on(here, there)
                return Moved(rows, _compared(here, there), aside)
    except (DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise BackupFailed(str(cause).strip()) from error
    finally:
        target.dispose()


def _target(url: str) -> Engine:
    try:
        address = make_url(url)
    except ArgumentError:
        address = None
    if address is None or address.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise BackupFailed(
            gettext("name the database so: %(example)s", example="postgresql://user:password@host:5432/name")
        )
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        connect_args=POSTGRES_PATIENCE,
    )


def _check_revision(here: Connection, settings: Mapping[str, Any]) -> None:
    heads = set(ScriptDirectory(settings["MIGRATIONS_PATH"]).get_heads())
    if set(MigrationContext.configure(here).get_current_heads()) != heads:
        raise BackupFailed(gettext("the database is of another version: run flask db upgrade first"))


def _make_room(there: Connection, *, replace: bool) -> str:
    """An empty schema; return the name of the one that was moved aside."""
    _, rows = postgres.count(there)
    if not rows:
        return ""
    if not replace:
        raise BackupFailed(
            gettext(
                "the database is not empty: it has %(count)d tables, such as %(table)s. Name an empty one, or"
                " add --replace to move what is there aside.",
                count=len(rows),
                table=max(rows, key=lambda name: rows[name]),
            )
        )
    aside = f"{postgres.ASIDE}{stamp('%Y%m%dT%H%M%S%fZ').lower()}"
    there.execute(text(f'ALTER SCHEMA public RENAME TO "{aside}"'))
    there.execute(text("CREATE SCHEMA public"))
    return aside


def _migrate(there: Connection, settings: Mapping[str, Any]) -> None:
    """The tables, as the migrations make them, and nothing in them."""
    config = Config()
    config.set_main_option("script_location", str(settings["MIGRATIONS_PATH"]).replace("%", "%%"))
    config.attributes["connection"] = there
    command.upgrade(config, "head")
    for table in reversed(_tables()):
        there.execute(table.delete())


def _tables() -> Sequence[Table]:
    """Every table, after those that it refers to."""
    return db.metadata.sorted_tables


def _copy_table(here: Connection, there: Connection, table: Table, tell: Listener) -> int:
    total, done = _count(here, table), 0
    names = [column.name for column in table.columns]
    into = psycopg.sql.SQL("COPY {} ({}) FROM STDIN").format(
        psycopg.sql.Identifier(table.name), psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, names))
    )
    driver: Any = there.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(into) as out:
        for chunk in _chunks(here, table, names):
            for row in chunk:
                out.write_row(row)
            done += len(chunk)
            tell(table.name, done, total)
    return done


def _chunks(here: Connection, table: Table, names: Sequence[str]) -> Iterator[list[list[Any]]]:
    """The rows, as PostgreSQL takes them."""
    converts: list[Convert] = [_convert(column.type) for column in table.columns]
    quoted = ", ".join(f'"{name}"' for name in names)
    found = here.exec_driver_sql(f'SELECT {quoted} FROM "{table.name}"')  # noqa: S608 - names of ours
    while chunk := found.fetchmany(CHUNK):
        yield [
            [None if value is None else convert(value) for value, convert in zip(row, converts, strict=True)]
            for row in chunk
        ]


def _convert(kind: Any) -> Convert:
    if isinstance(kind, UTCDateTime):
        return lambda value: f"{value}+00"
    return bool if isinstance(kind, Boolean) else _plain


def _plain(value: Any) -> Any:
    # What no PostgreSQL text may hold; SQLite takes anything.
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


def _number_on(here: Connection, there: Connection) -> None:
    """New rows get numbers that no row has, or, where SQLite remembers that, has ever had."""
    remembered = dict(map(tuple, here.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()))
    for table in _tables():
        for column in table.primary_key:
            asked = text("SELECT pg_get_serial_sequence(:table, :column)")
            sequence = there.execute(
                asked, {"table": f'public."{table.name}"', "column": column.name}
            ).scalar()
            if sequence is None:
                continue
            newest = there.execute(text(f'SELECT max("{column.name}") FROM "{table.name}"')).scalar()  # noqa: S608
            last = max(newest or 0, remembered.get(table.name, 0))
            there.execute(
                text("SELECT setval(CAST(:sequence AS regclass), :last, :is_taken)"),
                {"sequence": sequence, "last": last or 1, "is_taken": bool(last)},
            )


def _compared(here: Connection, there: Connection) -> dict[str, Decimal]:
    """The totals. Raises ``BackupFailed`` when rows or totals differ."""
    for table in _tables():
        ours, theirs = _count(here, table), _count(there, table)
        if ours != theirs:
            raise BackupFailed(
                gettext(
                    "the copy is not complete: %(table)s has %(theirs)d rows instead of %(ours)d",
                    table=table.name,
                    theirs=theirs,
                    ours=ours,
                )
            )
    totals = {name: _total(here, *where) for name, where in TOTALS.items()}
    for name, where in TOTALS.items():
        if totals[name] != _total(there, *where):
            raise BackupFailed(gettext("the copy is wrong: %(what)s differ", what=name))
    return totals


def _count(connection: Connection, table: Table) -> int:
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{table.name}"').scalar_one())  # noqa: S608


def _total(connection: Connection, table: str, column: str) -> Decimal:
    found = connection.exec_driver_sql(f'SELECT sum("{column}") FROM "{table}"').scalar()  # noqa: S608
    return round(Decimal(str(found or 0)), 2)
