"""Puts a backup in the place of what is there, which is kept aside. The server must not be running."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask_babel import gettext
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from app.backup import archive, postgres, sqlite
from app.backup.archive import Manifest
from app.backup.errors import BackupFailed
from app.backup.making import database_file, stamp
from app.clock import utcnow
from app.jobs.models import WorkProcess


@dataclass(frozen=True)
class Restored:
    """What has become of everything."""

    manifest: Manifest
    # Where the old database and the old key are; empty when there was none, or it is the same.
    old_database: str
    old_key: str


@dataclass(frozen=True)
class Opened:
    """A backup that has been read, checked, and fits this installation."""

    folder: Path
    manifest: Manifest

    @property
    def database(self) -> Path:
        """Its database."""
        return self.folder / self.manifest.database_file


@contextmanager
def opened(engine: Engine, settings: Mapping[str, Any], path: Path) -> Iterator[Opened]:
    """Read a backup beside the database. Raises ``BackupFailed`` when it cannot be restored here."""
    instance = Path(settings["INSTANCE_PATH"]).resolve()
    beside = database_file(engine).parent if engine.dialect.name == "sqlite" else instance
    with alone(instance):
        check_nobody_lives(engine)
        with archive.workshop(beside) as workshop:
            manifest = archive.unpack(path, workshop)
            _check_fit(engine, settings, manifest)
            backup = Opened(workshop, manifest)
            if manifest.database == "sqlite":
                _check_rows(manifest, sqlite.check(backup.database))
            yield backup


def put(engine: Engine, settings: Mapping[str, Any], backup: Opened) -> Restored:
    """Let the backup take the place of what is there."""
    when = stamp("%Y%m%dT%H%M%S%fZ")  # two in one second would keep only one of what was there
    if backup.manifest.database == "sqlite":
        file = database_file(engine)
        aside = file.with_name(f"{file.name}.before-restore-{when}")
        was_there = file.exists()
        engine.dispose()
        sqlite.replace(file, backup.database, aside)
        old_database = str(aside) if was_there else ""
    else:
        old_database = f"{postgres.ASIDE}{when.lower()}"
        check = partial(_check_rows, backup.manifest)
        postgres.restore(engine, backup.database, old_database, check)
    return Restored(backup.manifest, old_database, _put_key(settings, backup, when))


def is_older(settings: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether migrations have to be applied to what was restored."""
    return manifest.revision not in ScriptDirectory(settings["MIGRATIONS_PATH"]).get_heads()


@contextmanager
def alone(instance: Path) -> Iterator[None]:
    """Hold the lock of ``scripts/run`` on the instance folder; refuse while that runs."""
    lock = os.open(instance / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupFailed(gettext("the server is running: stop it first")) from None
    finally:
        os.close(lock)


def check_nobody_lives(engine: Engine) -> None:
    """Raise ``BackupFailed`` while a process uses the database.

    Servers on other machines, and those that ``scripts/run`` did not start, say so in the database.
    """
    if engine.dialect.name == "sqlite" and not database_file(engine).exists():
        return
    try:
        with engine.connect() as connection:
            living = select(WorkProcess.kind, WorkProcess.host).where(WorkProcess.alive_until >= utcnow())
            found = connection.execute(living.limit(1)).first()
    except SQLAlchemyError:  # there is no database yet, or it is broken: that is what a backup is for
        return
    finally:
        engine.dispose()
    if found is not None:
        raise BackupFailed(
            gettext(
                "a %(kind)s process on %(host)s uses this database: stop it first. One that was killed is"
                " forgotten after a minute.",
                kind=found.kind,
                host=found.host,
            )
        )


def _check_fit(engine: Engine, settings: Mapping[str, Any], manifest: Manifest) -> None:
    if manifest.database != engine.dialect.name:
        raise BackupFailed(
            gettext(
                "this backup is of a %(theirs)s database, and this installation has a %(ours)s one",
                theirs=manifest.database,
                ours=engine.dialect.name,
            )
        )
    try:
        ScriptDirectory(settings["MIGRATIONS_PATH"]).get_revision(manifest.revision)
    except CommandError as error:
        raise BackupFailed(gettext("this backup was made by a newer version of the program")) from error


def _check_rows(manifest: Manifest, found: tuple[str, dict[str, int]]) -> None:
    if found != (manifest.revision, manifest.rows):
        raise BackupFailed(gettext("the backup is damaged: its rows are not those that it lists"))


def _put_key(settings: Mapping[str, Any], backup: Opened, when: str) -> str:
    """The secret key of the backup; return where the old one is."""
    new = backup.folder / archive.SECRET_KEY
    key = Path(settings["INSTANCE_PATH"]).resolve() / archive.SECRET_KEY
    if not new.exists() or (key.exists() and key.read_bytes() == new.read_bytes()):
        return ""
    aside = key.with_name(f"{key.name}.before-restore-{when}")
    had_one = key.exists()
    if had_one:
        sqlite.keep(key, aside)
    draft = key.with_name(f"{key.name}.restoring")
    shutil.copyfile(new, draft)
    draft.chmod(0o600)
    os.replace(draft, key)
    archive.sync_folder(key.parent)
    return str(aside) if had_one else ""
