"""An SQLite file, copied while chargers write to it, and put back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from flask_babel import gettext

from app.backup.archive import Proceed, sync_folder
from app.backup.errors import BackupFailed

# Pages of one step, and the pause after it: a megabyte, and then the disk is the chargers'.
STEP_PAGES, PAUSE_S = 256, 0.005
# Instructions of SQLite between two questions whether to go on.
INSTRUCTIONS = 500_000


def size(file: Path) -> int:
    """Bytes of a database, with what has not been moved into it yet."""
    parts = (file, file.with_name(f"{file.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def snapshot(file: Path, copy: Path, proceed: Proceed) -> None:
    """Copy a database as it is at this moment. Nobody who writes to it waits. Raises ``BackupFailed``."""
    try:
        _copy(file, copy, proceed)
    except sqlite3.OperationalError as error:
        raise BackupFailed(gettext("the database cannot be copied: %(error)s", error=str(error))) from error
    except sqlite3.DatabaseError as error:
        raise BackupFailed(gettext("the database is damaged: %(error)s", error=str(error))) from error
    with copy.open("rb") as written:
        os.fsync(written.fileno())


def _copy(file: Path, copy: Path, proceed: Proceed) -> None:
    with closing(_opened(file)) as live, closing(sqlite3.connect(copy, isolation_level=None)) as target:
        # The view of one moment: without it, each write of another process would start the copy anew.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()
        target.execute("PRAGMA synchronous=OFF")

        def step(_status: int, _remaining: int, _total: int) -> None:
            proceed()
            time.sleep(PAUSE_S)

        live.backup(target, pages=STEP_PAGES, progress=step)
        live.execute("COMMIT")
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without companions


def check(file: Path, proceed: Proceed = lambda: None) -> tuple[str, dict[str, int]]:
    """The revision of a copy's schema, and the rows of each table. Raises ``BackupFailed`` if broken."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as copy, _asking(copy, proceed):
            found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise BackupFailed(gettext("the database is damaged: %(error)s", error=found[0]))
            tables = [row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: _count(copy, name) for name in sorted(tables) if not name.startswith("sqlite_")}
            revision = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupFailed(gettext("the database is damaged: %(error)s", error=str(error))) from error
    return str(revision[0]) if revision else "", rows


def replace(file: Path, new: Path, aside: Path) -> None:
    """Put a database in the place of another, which is kept as ``aside``. One of them is always there."""
    with suppress(sqlite3.DatabaseError), closing(_opened(file)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in (
        "-wal",
        "-shm",
    ):  # still there where the old one is damaged: the new one must not meet them
        companion = file.with_name(file.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    if file.exists():
        keep(file, aside)
    os.replace(new, file)
    sync_folder(file.parent)


def keep(file: Path, aside: Path) -> None:
    """Give a file a second name, or copy it where a disk knows no links."""
    try:
        os.link(file, aside)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(file, aside)


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, timeout=30.0)


def _count(copy: sqlite3.Connection, table: str) -> int:
    return int(copy.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608 - a name of its own


@contextmanager
def _asking(connection: sqlite3.Connection, proceed: Proceed) -> Iterator[None]:
    """Ask now and then whether to go on; SQLite swallows what the question raises, so it is raised again."""
    refused: list[BaseException] = []

    def ask() -> int:
        try:
            proceed()
        except BaseException as error:  # SQLite swallows all of them
            refused.append(error)
            return 1
        return 0

    connection.set_progress_handler(ask, INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError:
        if refused:
            raise refused[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)
