"""Makes backups: one at a path, or the nightly ones with their rotation."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_babel import gettext
from sqlalchemy import Engine

from app import disk
from app.backup import archive, postgres, sqlite
from app.backup.archive import Manifest, Proceed
from app.backup.errors import BackupFailed
from app.clock import utcnow
from app.version import __version__

# A copy and the archive made of it, and a little more.
COPIES, SPARE_BYTES = 2, 64 * 1024**2
NIGHTLY = re.compile(r"nightly-\d{8}T\d{6}Z\.tar\.gz")


def make(
    engine: Engine, settings: Mapping[str, Any], target: Path, proceed: Proceed = lambda: None
) -> tuple[Path, Manifest]:
    """Back up to a file, or into a folder under a name with the time; return the file and what is in it.

    ``proceed`` is called between pieces and may raise; then there is no backup. Raises ``BackupFailed``.
    """
    if target.is_dir():
        target = target / f"constellation-{stamp()}.tar.gz"
    if target.exists():
        raise BackupFailed(gettext("%(file)s exists already", file=str(target)))
    try:
        _check_room(engine, target.parent)
        with archive.workshop(target.parent) as workshop:
            manifest = _gather(engine, Path(settings["INSTANCE_PATH"]), workshop, proceed)
            archive.pack(workshop, manifest, target, proceed)
    except OSError as error:
        raise BackupFailed(f"{error.filename or target}: {error.strerror}") from error
    return target, manifest


def nightly(
    engine: Engine, settings: Mapping[str, Any], proceed: Proceed = lambda: None
) -> tuple[Path, Manifest]:
    """Back up into BACKUP_DIR, and then delete all but the newest BACKUP_KEEP."""
    folder = Path(settings["BACKUP_DIR"])
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    made, manifest = make(engine, settings, folder / f"nightly-{stamp()}.tar.gz", proceed)
    kept = [file for file in folder.iterdir() if NIGHTLY.fullmatch(file.name)]
    # What is dated after the one just made comes from a clock that was wrong: it must not push this one out.
    kept.sort(key=lambda file: (file.name <= made.name, file.name))
    for old in kept[: -settings["BACKUP_KEEP"]]:
        old.unlink()
    return made, manifest


def stamp(form: str = "%Y%m%dT%H%M%SZ") -> str:
    """The time as file names have it."""
    return utcnow().strftime(form)


def _gather(engine: Engine, instance: Path, workshop: Path, proceed: Proceed) -> Manifest:
    """Everything that goes into the archive, and the manifest of it."""
    kind = engine.dialect.name
    database = workshop / f"database.{kind}"
    if kind == "sqlite":
        sqlite.snapshot(database_file(engine), database, proceed)
        revision, rows = sqlite.check(database, proceed)
    else:
        revision, rows = postgres.dump(engine, database, proceed)
    names = [database.name]
    key = instance / archive.SECRET_KEY
    if key.exists():
        shutil.copyfile(key, workshop / archive.SECRET_KEY)
        names.insert(0, archive.SECRET_KEY)
    created_at = utcnow().isoformat(timespec="seconds")
    manifest = Manifest(__version__, created_at, kind, revision, rows)
    return archive.complete(workshop, manifest, names, proceed)


def database_file(engine: Engine) -> Path:
    """The file of an SQLite database."""
    return Path(str(engine.url.database)).resolve()


def _check_room(engine: Engine, folder: Path) -> None:
    is_file = engine.dialect.name == "sqlite"
    database = sqlite.size(database_file(engine)) if is_file else postgres.size(engine)
    needed, room = COPIES * database + SPARE_BYTES, disk.room(folder)
    if room.free_bytes < needed:
        raise BackupFailed(
            gettext(
                "there is too little room in %(folder)s: %(needed)d MB are needed, and %(free)d MB are free",
                folder=str(folder),
                needed=needed // 1024**2,
                free=room.free_bytes // 1024**2,
            )
        )
