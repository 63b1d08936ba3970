"""What ``scripts/run`` and ``constellation`` run: checks, the database, then web, worker and beat, or one."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from app import announcement, first_start, reloading
from app.config import ROOT, environment
from app.preflight import MEND_FOLDER, Refused, check, check_folders, is_writable, plain_reasons
from app.queues import QUEUES
from app.supervisor import Child, Supervisor

# Seconds after which worker and beat start even though /healthz does not answer 200 yet.
PATIENCE_S = 20.0
# What only the first start needs; the children must not inherit it.
OURS_ALONE = ("ADMIN_USERNAME", "ADMIN_PASSWORD", "API_TOKEN")
CELERY = ("-m", "celery", "--quiet", "--app", "worker")
WORKER_THREADS = 8


def main(arguments: Sequence[str] = ()) -> int:
    """Serve until told to stop, or run one part of the site. Return the exit status."""
    try:
        settings = environment()
        # The database and the logs are nothing for the other users of this machine.
        os.umask(os.umask(0o077) | 0o027)
        if arguments:
            run_part(arguments, settings)
        elif settings["DEV_RELOAD"]:
            return reloading.run()
        else:
            serve_all(settings)
    except KeyboardInterrupt:
        return 0
    except (Refused, ValueError) as reason:
        click.echo(reason, err=True)
        return 1
    return 0


def serve_all(settings: Mapping[str, Any]) -> None:
    """Web, worker and beat under one supervisor, until a signal stops them."""
    instance_lock = check(settings)
    with Supervisor(ROOT, _environ_of_children(settings)) as supervisor:
        Site(settings, supervisor).serve()
        if supervisor.stopping:
            _say("Stopping.")
    os.close(instance_lock)


def run_part(arguments: Sequence[str], settings: Mapping[str, Any]) -> None:
    """What systemd or a container engine keeps running by itself: ``prepare``, then the other three."""
    parts = {"web": web, "worker": worker, "beat": beat}
    match arguments:
        case ["prepare"]:
            prepare(settings)
        case [name] if name in parts:
            if name == "web":
                os.set_inheritable(check(settings), True)  # the lock is held for as long as web runs
            os.chdir(ROOT)
            command = list(parts[name]().command)
            os.execve(command[0], command, _environ_of_children(settings))  # noqa: S606
        case _:
            raise Refused(f"Usage: scripts/run [prepare|web|worker|beat], not: {' '.join(arguments)}")


def prepare(settings: Mapping[str, Any]) -> None:
    """Bring the database up to date and make the first staff user: once, before the parts start."""
    check_folders(settings)
    if not is_writable(settings["BACKUP_DIR"]):  # a stick that is not there is no reason to stop charging
        _say(f"Warning: BACKUP_DIR={settings['BACKUP_DIR']} cannot be written to: {MEND_FOLDER}.")
    with plain_reasons():
        current = first_start.is_current(settings)
        if not current:
            _say("Preparing the database.")
        user = first_start.prepare(settings, migrate=not current)
    _say_first_user(settings, user)
    _say("The database is ready.")


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
            _say_first_user(self.settings, self.first_user)
            _say(announcement.next_steps(self.settings))
        while not self.supervisor.stopping:
            self.supervisor.revive()
            self.supervisor.pause(1.0)

    def _prepare(self) -> None:
        """Start web, at once when the database is current: it loads while we look for the first user."""
        with self.supervisor.interruptible(), plain_reasons():
            current = first_start.is_current(self.settings)
        if current:
            self.supervisor.start(self.web)
        else:
            _say("Preparing the database.")
        with self.supervisor.interruptible(), plain_reasons():
            self.first_user = first_start.prepare(self.settings, migrate=not current)
        if not current:
            self.supervisor.start(self.web)

    def _wait_until_healthy(self) -> None:
        """Worker and beat start when web serves, to leave it the processor, or when that takes too long."""
        patience = time.monotonic() + PATIENCE_S
        while not self.supervisor.stopping:
            if not self.web.is_running:
                raise Refused(f"The web process ended before it could serve: {self.web.last_words()}")
            answer = health(self.settings["HOST"], self.settings["PORT"])
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


def health(host: str, port: int) -> str:
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


def _environ_of_children(settings: Mapping[str, Any]) -> dict[str, str]:
    environ = {name: text for name, text in os.environ.items() if name not in OURS_ALONE}
    # They start in another folder than we did.
    environ |= {
        name: str(Path(settings[name]).resolve()) for name in ("INSTANCE_PATH", "LOG_DIR", "BACKUP_DIR")
    }
    # gunicorn reads this one by itself, and takes an empty one for a mistake.
    return environ | {"WEB_CONCURRENCY": str(settings["WEB_CONCURRENCY"])}


def _say_first_user(settings: Mapping[str, Any], user: first_start.FirstUser | None) -> None:
    """Show new secrets on a terminal, where they are not kept; else name the file that holds them."""
    file = first_start.secrets_file(settings)
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


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it; the site runs all the same
        click.echo(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
