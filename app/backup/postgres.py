"""A PostgreSQL database, by its own programs: ``pg_dump`` and ``pg_restore``."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flask_babel import gettext
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from app.backup.archive import Proceed
from app.backup.errors import BackupFailed

# Seconds between two questions whether to go on.
LOOK_S = 0.2
# Of the schema that keeps what was there before.
ASIDE = "before_restore_"

# The revision of a schema, and the rows of each table.
Found = tuple[str, dict[str, int]]


def size(engine: Engine) -> int:
    """Bytes of the database."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def dump(engine: Engine, target: Path, proceed: Proceed) -> Found:
    """Write the database as it is at one moment; return the revision of its schema, and its rows by table."""
    program = _program("pg_dump")
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        revision, rows = count(connection)
        options = ["--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}", f"--file={target}"]
        _run([program, *options, f"--exclude-schema={ASIDE}*"], engine.url, proceed)
    return revision, rows


def count(connection: Connection) -> Found:
    """The revision of the schema, and how many rows each table has."""
    chosen = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    tables = [row[0] for row in connection.execute(text(chosen))]
    rows = {
        name: int(connection.execute(text(f'SELECT count(*) FROM public."{name}"')).scalar_one())  # noqa: S608
        for name in tables
    }
    if "alembic_version" not in rows:
        return "", rows
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""), rows


def restore(engine: Engine, source: Path, aside: str, check: Callable[[Found], None]) -> None:
    """Put a dump in the place of the schema ``public``, which is kept under another name.

    When that fails, or ``check`` refuses what it finds, everything is as it was. Raises ``BackupFailed``.
    """
    program = _program("pg_restore")
    try:
        with engine.begin() as connection:
            connection.execute(text(f'ALTER SCHEMA public RENAME TO "{aside}"'))
            connection.execute(text("CREATE SCHEMA public"))
    except DBAPIError as error:  # it takes the owner of the schema
        raise BackupFailed(str(error.orig).strip()) from error
    options = ["--schema=public", "--no-owner", "--no-acl", "--single-transaction", "--exit-on-error"]
    url = engine.url.set(password=None, drivername="postgresql").render_as_string()
    try:
        _run([program, *options, f"--dbname={url}", str(source)], engine.url, lambda: None)
        with engine.connect() as connection:
            check(count(connection))
    except BaseException:  # a Ctrl-C, too: what was there comes back, whatever kept the new from coming
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text(f'ALTER SCHEMA "{aside}" RENAME TO public'))
        raise


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupFailed(
            gettext(
                "%(program)s was not found: install PostgreSQL's client programs (postgresql-client)",
                program=name,
            )
        )
    return found


def _run(command: Sequence[str], url: URL, proceed: Proceed) -> None:
    """Run one of the programs; it is ended when ``proceed`` raises."""
    with subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs
        command, env=_environ(url), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            while process.poll() is None:
                proceed()
                time.sleep(LOOK_S)
        except BaseException:  # a Ctrl-C, too: the program would run on alone
            process.kill()
            raise
        assert process.stderr is not None
        said = process.stderr.read().strip().splitlines()
    if process.returncode:
        raise BackupFailed(said[-1] if said else f"{command[0]} ended with status {process.returncode}")


def _environ(url: URL) -> Mapping[str, str]:
    """How to reach the database, without a password that ``ps`` would show."""
    parts = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGDATABASE": url.database}
    parts["PGPASSWORD"] = url.password
    options = {f"PG{name.upper()}": str(value) for name, value in url.query.items()}
    return {**os.environ, **{name: str(value) for name, value in parts.items() if value}, **options}
