"""What ``scripts/run`` and ``constellation`` run: checks, the database, then web, worker and beat."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from app import announcement, first_start
from app.config import ROOT, RUN, environment
from app.queues import QUEUES
from app.supervisor import Child, Supervisor

# Seconds after which worker and beat start even though /healthz does not answer 200 yet.
PATIENCE_S = 20.0
# What only the first start needs; the children must not inherit it.
OURS_ALONE = ("ADMIN_USERNAME", "ADMIN_PASSWORD", "API_TOKEN")
CELERY = ("-m", "celery", "--quiet", "--app", "worker")
WORKER_THREADS = 8


class Refused(Exception):
    """The site cannot start; the text says why, in one sentence."""


def main() -> int:
    """Serve until told to stop. Return the exit status."""
    try:
        settings = environment()
        # The database and the logs are nothing for the other users of this machine.
        os.umask(os.umask(0o077) | 0o027)
        instance_lock = check(settings)
        with Supervisor(ROOT, _environ_of_children(settings)) as supervisor:
            Site(settings, supervisor).serve()
            if supervisor.stopping:
                _say("Stopping.")
        os.close(instance_lock)
    except KeyboardInterrupt:
        return 0
    except (Refused, ValueError) as reason:
        click.echo(reason, err=True)
        return 1
    return 0


def check(settings: Mapping[str, Any]) -> int:
    """Refuse what cannot work, before anything is started. Return the lock on the instance folder."""
    if settings["WEB_CONCURRENCY"] > 1 and not settings["REDIS_URL"]:
        raise Refused(
            f"WEB_CONCURRENCY={settings['WEB_CONCURRENCY']} needs REDIS_URL: without Redis, one web process"
            " cannot reach the chargers that another one holds."
        )
    _check_port(settings["HOST"], settings["PORT"])
    return _lock_instance(settings)


class Site:
    """The processes of one installation, from the first check to the last."""

    def __init__(self, settings: Mapping[str, Any], supervisor: Supervisor) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.web = web()
        self.others = [worker(), beat()]
        self.first_user: first_start.FirstUser | None = None

    def serve(self) -> None:
        """Run until told to stop. Raises Refused when the site cannot start."""
        self._prepare()
        self._wait_until_healthy()
        self._start_others()
        if not self.supervisor.stopping:
            _say(announcement.ready(self.settings))
            self._say_first_user()
            _say(announcement.next_steps(self.settings))
        while not self.supervisor.stopping:
            self.supervisor.revive()
            self.supervisor.pause(1.0)

    def _prepare(self) -> None:
        """Start web, at once when the database is current: it loads while we look for the first user."""
        with self.supervisor.interruptible(), _plain_reasons():
            current = first_start.is_current(self.settings)
        if current:
            self.supervisor.start(self.web)
        else:
            _say("Preparing the database.")
        with self.supervisor.interruptible(), _plain_reasons():
            self.first_user = first_start.prepare(self.settings, migrate=not current)
        if not current:
            self.supervisor.start(self.web)

    def _wait_until_healthy(self) -> None:
        """Worker and beat start when web serves, to leave it the processor, or when that takes too long."""
        patience = time.monotonic() + PATIENCE_S
        while not self.supervisor.stopping:
            if not self.web.is_running:
                raise Refused(f"The web process ended before it could serve: {self.web.last_words()}")
            answer = _health(self.settings["HOST"], self.settings["PORT"])
            if answer == "":
                return
            if time.monotonic() > patience:
                _say(f"Web does not answer /healthz well yet ({answer}); waiting.")
                self._start_others()
                patience = float("inf")
            # Refused while it starts, that is often looked at; a bad answer costs a page.
            self.supervisor.pause(1.0 if answer[:1].isdigit() else 0.05)

    def _start_others(self) -> None:
        if not self.supervisor.stopping and self.others[0] not in self.supervisor.children:
            for child in self.others:
                self.supervisor.start(child)

    def _say_first_user(self) -> None:
        """Show new secrets on a terminal, where they are not kept; else name the file that holds them."""
        file, user = first_start.secrets_file(self.settings), self.first_user
        if user is None:
            if file.exists():
                _say(announcement.unread_secrets(file))
        elif sys.stdout.isatty():
            _say(announcement.first_user(user.lines()))
            file.unlink(missing_ok=True)
        else:
            _say(announcement.first_user([f"  User name  {user.username}"]))
            if user.has_secrets:
                _say(announcement.unread_secrets(file))


def web() -> Child:
    """gunicorn; its settings are a file, see there."""
    file = str(Path(__file__).with_name("gunicorn_settings.py"))
    return Child("web", [sys.executable, "-m", "gunicorn", "--config", file, "app:create_app()"])


def worker() -> Child:
    """The Celery worker. Its threads may be busy for hours, so without us it is killed: jobs have leases."""
    # Root may run it here: the worker accepts JSON only.
    command = [
        sys.executable,
        "-W",
        "ignore:You're running the worker",
        *CELERY,
        "worker",
        "--loglevel",
        "warning",
    ]
    command += ["--queues", ",".join(QUEUES), "--pool", "threads", "--concurrency", str(WORKER_THREADS)]
    # Workers need not know of each other, and asking around costs seconds at every start and stop.
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Child("worker", command, when_orphaned=signal.SIGKILL)


def beat() -> Child:
    """What starts the worker's regular tasks."""
    scheduler = ["--scheduler", "worker.beat:Scheduler", "--pidfile="]
    command = [sys.executable, *CELERY, "beat", "--loglevel", "warning", *scheduler]
    return Child("beat", command)


def _health(host: str, port: int) -> str:
    """Empty when the site serves; else what is the matter, in a few words."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(300).decode(errors="replace").strip()
        return "" if answer.status == 200 else f"{answer.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()


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
def _plain_reasons() -> Iterator[None]:
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


def _environ_of_children(settings: Mapping[str, Any]) -> dict[str, str]:
    environ = {name: text for name, text in os.environ.items() if name not in OURS_ALONE}
    # They start in another folder than we did.
    environ |= {
        name: str(Path(settings[name]).resolve()) for name in ("INSTANCE_PATH", "LOG_DIR", "BACKUP_DIR")
    }
    # gunicorn reads this one by itself, and takes an empty one for a mistake.
    return environ | {"WEB_CONCURRENCY": str(settings["WEB_CONCURRENCY"])}


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it; the site runs all the same
        click.echo(text)


if __name__ == "__main__":
    sys.exit(main())
