"""The file that a backup is: a tar of a manifest, the database, and the secret key if it is a file of ours.

It gets its name when it is whole and on the disk; until then it lies in a folder that the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flask_babel import gettext

from app.backup.errors import BackupFailed

FORMAT = 1
MANIFEST, SECRET_KEY = "manifest.json", "secret_key"
# Of a folder in which a backup is being made.
UNFINISHED = ".constellation-backup-"
CHUNK = 1024 * 1024
# A manifest is small; whatever is larger is none.
LONGEST_MANIFEST = 1024 * 1024

# Called between pieces; it may raise, and ends the work so.
Proceed = Callable[[], None]


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    version: str
    created_at: str
    # sqlite or postgresql.
    database: str
    # Of the migrations.
    revision: str
    # Table → rows.
    rows: dict[str, int]
    # Name in the archive → SHA-256.
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def database_file(self) -> str:
        """The database's name in the archive."""
        return f"database.{self.database}"

    @classmethod
    def parse(cls, told: Any) -> Manifest:
        """Read a manifest. Raises ``BackupFailed``."""
        try:
            if told["format"] > FORMAT:
                raise BackupFailed(gettext("this backup was made by a newer version of the program"))
            return cls(**told)
        except (TypeError, KeyError) as error:
            raise BackupFailed(gettext("this is no backup of Constellation")) from error


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A folder to make a backup in, on the disk that it will lie on; what killed ones left is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{UNFINISHED}*"):
        _remove_if_dead(leftover)
    made = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    with (made / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # while it is held, nobody takes this folder for a leftover
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def pack(workshop: Path, manifest: Manifest, target: Path, proceed: Proceed) -> None:
    """Write the files of a workshop, which the manifest names, into one: it is there whole, or not at all.

    Raises ``BackupFailed`` when there is such a file already.
    """
    draft = workshop / "archive"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        # Level 1: a good third of the size for a tenth of the time.
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
            for name in (MANIFEST, *manifest.files):
                with (workshop / name).open("rb") as file:
                    entry = tar.gettarinfo(arcname=name, fileobj=file)
                    tar.addfile(entry, _Watched(file, proceed))
        out.flush()
        os.fsync(out.fileno())
    _name(draft, target)
    sync_folder(target.parent)


def complete(workshop: Path, manifest: Manifest, names: list[str], proceed: Proceed) -> Manifest:
    """Add the digests of the files to a manifest, and write it beside them."""
    digests = {name: digest(workshop / name, proceed) for name in names}
    whole = Manifest(**{**asdict(manifest), "files": digests})
    (workshop / MANIFEST).write_text(json.dumps(asdict(whole), indent=1), encoding="utf-8")
    return whole


def unpack(path: Path, folder: Path) -> Manifest:
    """Read a backup into a folder, whole and checked. Raises ``BackupFailed``."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            manifest = _manifest(tar)
            for name, expected in manifest.files.items():
                if name not in (SECRET_KEY, manifest.database_file):
                    raise BackupFailed(gettext("this is no backup of Constellation"))
                _extract(tar, name, folder / name)
                if digest(folder / name) != expected:
                    raise BackupFailed(
                        gettext("the backup is damaged: %(file)s is not what it was", file=name)
                    )
            return manifest
    except (tarfile.TarError, EOFError, KeyError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise BackupFailed(f"{path}: {error.strerror}") from error
        raise BackupFailed(
            gettext("the backup is damaged, or is none: %(error)s", error=str(error))
        ) from error


def digest(path: Path, proceed: Proceed = lambda: None) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            proceed()
    return found.hexdigest()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise BackupFailed(gettext("%(file)s exists already", file=str(target))) from None
    except OSError:  # a disk that knows no links, such as a stick's
        draft.rename(target)


def _manifest(tar: tarfile.TarFile) -> Manifest:
    entry = tar.getmember(MANIFEST)
    file = tar.extractfile(entry)
    if file is None or entry.size > LONGEST_MANIFEST:
        raise BackupFailed(gettext("this is no backup of Constellation"))
    return Manifest.parse(json.loads(file.read()))


def _extract(tar: tarfile.TarFile, name: str, target: Path) -> None:
    file = tar.extractfile(tar.getmember(name))
    if file is None:
        raise BackupFailed(gettext("this is no backup of Constellation"))
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        shutil.copyfileobj(file, out, CHUNK)
        out.flush()
        os.fsync(out.fileno())


def _remove_if_dead(leftover: Path) -> None:
    with contextlib.suppress(OSError), (leftover / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(leftover, ignore_errors=True)


class _Watched:
    """A file that asks between its pieces whether to go on."""

    def __init__(self, file: Any, proceed: Proceed) -> None:
        self._file, self._proceed = file, proceed

    def read(self, size: int = -1) -> bytes:
        """The next piece."""
        self._proceed()
        piece: bytes = self._file.read(size)
        return piece
