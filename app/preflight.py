"""What keeps the site from starting, said in one sentence before anything is started."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.config import RUN, environment


class Refused(Exception):
    """The site cannot start; the text says why, in one sentence."""


def check(settings: Mapping[str, Any]) -> int:
    """Refuse what cannot work, before anything is started. Return the lock on the instance folder."""
    if settings["WEB_CONCURRENCY"] > 1 and not settings["REDIS_URL"]:
        raise Refused(
            f"WEB_CONCURRENCY={settings['WEB_CONCURRENCY']} needs REDIS_URL: without Redis, one web process"
            " cannot reach the chargers that another one holds."
        )
    _check_port(settings["HOST"], settings["PORT"])
    return _lock_instance(settings)


def check_folders(settings: Mapping[str, Any]) -> None:
    """Refuse an instance or a log folder that cannot be written to; the sentence says how that comes."""
    for name in ("INSTANCE_PATH", "LOG_DIR"):
        if not is_writable(settings[name]):
            raise Refused(f"{name}={settings[name]} cannot be written to: {MEND_FOLDER}.")


# Wrong owner, or a service that was not told of the folder: systemd shows it everything else read-only.
MEND_FOLDER = (
    "it has to belong to the user who runs this, and a service has to be told of it"
    " (scripts/install.sh --service NAME)"
)


def is_writable(folder: str) -> bool:
    """Whether files can be made in this folder, or in the nearest one above it where it is not there yet."""
    place = Path(folder).resolve()
    try:
        with tempfile.TemporaryFile(dir=next(near for near in (place, *place.parents) if near.is_dir())):
            return True
    except OSError:
        return False


def _check_port(host: str, port: int) -> None:
    if not 0 < port < 65536:
        raise Refused(f"PORT must lie between 1 and 65535, not {port}.")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Refused(f"Cannot listen on HOST={host} PORT={port}: {error.strerror}.") from error
        raise Refused(
            f"Port {port} of {host} is taken by another program: stop that, or choose another port,"
            f" PORT={port + 1} {RUN}."
        ) from error


def _lock_instance(settings: Mapping[str, Any]) -> int:
    """Two embedded installations on one folder would each hold half of the chargers, unknown to the other."""
    folder = Path(settings["INSTANCE_PATH"]).resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if settings["REDIS_URL"]:
            return lock
        raise Refused(
            f"Another {RUN} is using {folder}: stop that, or give this one an INSTANCE_PATH of its own."
        ) from None
    except OSError as error:
        raise Refused(f"INSTANCE_PATH={folder} cannot be used: {error.strerror}.") from error
    return lock


@contextmanager
def plain_reasons() -> Iterator[None]:
    """What keeps a database from being used, as one sentence instead of a traceback."""
    from alembic.util import CommandError
    from sqlalchemy.exc import OperationalError

    from app.domain_error import DomainError

    try:
        yield
    except OperationalError as error:
        raise Refused(f"The database cannot be used: {' '.join(str(error.orig).split())}") from error
    except DomainError as error:  # ADMIN_USERNAME and ADMIN_PASSWORD have rules
        raise Refused(f"The first staff user cannot be made: {error.detail}") from error
    except CommandError as error:
        raise Refused(f"The database does not fit this version of the program: {error}") from error


def places() -> list[str]:
    """What ``scripts/install.sh`` writes into units: the port, then the folders that the site writes to."""
    settings = environment()
    folders = (settings[name] for name in ("INSTANCE_PATH", "LOG_DIR", "BACKUP_DIR"))
    return [str(settings["PORT"]), *(str(Path(folder).resolve()) for folder in folders)]


if __name__ == "__main__":
    print("\n".join(places()))  # noqa: T201 - for the script
