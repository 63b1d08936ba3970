"""Room on the disks that this installation writes to: how much is left, and whether writing failed for it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# Below either of these somebody must look after it.
LOW_SHARE, LOW_BYTES = 0.05, 500 * 1024**2
# Below this nothing can be written any more that is worth the attempt.
FULL_BYTES = 1024**2
# Seconds between two cries in the log.
CRY_S = 60.0


@dataclass(frozen=True)
class Room:
    """What a folder's disk has left, for us."""

    folder: str
    free_bytes: int
    total_bytes: int

    @property
    def share(self) -> float:
        """Of the whole, from 0 to 1."""
        return self.free_bytes / self.total_bytes if self.total_bytes else 1.0

    @property
    def is_low(self) -> bool:
        """Whether it will be full soon."""
        return self.share < LOW_SHARE or self.free_bytes < LOW_BYTES

    @property
    def is_full(self) -> bool:
        """Whether it is."""
        return self.free_bytes < FULL_BYTES


class Notes:
    """Whether this process's last attempt to store something failed for want of room."""

    def __init__(self) -> None:
        self._full = False
        self._cried_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether it did."""
        return self._full

    def full(self, error: BaseException) -> None:
        """It has failed. The log says so, loudly, but not for each attempt."""
        with self._lock:
            self._full = True
            if time.monotonic() - self._cried_at < CRY_S:
                return
            self._cried_at = time.monotonic()
        log.critical(
            "THE DISK IS FULL: nothing is stored, and nothing acknowledged, until there is room: %s", error
        )

    def stored(self) -> None:
        """Something was stored."""
        if self._full:
            self._full, self._cried_at = False, float("-inf")
            log.warning("there is room on the disk again")


notes = Notes()


def room(folder: str | Path) -> Room:
    """The room in a folder; of its nearest parent that exists."""
    path = Path(folder).resolve()
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return Room(str(folder), found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def rooms(settings: Mapping[str, Any]) -> list[Room]:
    """The room in every folder that is written to; folders of one disk are told once, by the first."""
    folders = [settings["INSTANCE_PATH"], settings["LOG_DIR"], settings["BACKUP_DIR"]]
    folders += _database_folder(settings)
    found: dict[int, Room] = {}
    for folder in folders:
        path = Path(folder).resolve()
        while not path.exists():
            path = path.parent
        found.setdefault(path.stat().st_dev, room(folder))
    return list(found.values())


def _database_folder(settings: Mapping[str, Any]) -> list[str]:
    from sqlalchemy import make_url

    url = make_url(settings["SQLALCHEMY_DATABASE_URI"])
    is_file = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return [str(Path(str(url.database)).resolve().parent)] if is_file else []
