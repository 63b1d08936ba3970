"""A real server for tests: gunicorn as ``scripts/run`` starts it, on a free port, with folders of its own."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import get_type_hints

from app.config import ROOT, Config

DATABASE = "constellation.sqlite3"
START_S = 60.0
STOP_S = 20.0
GUNICORN = ("-m", "gunicorn", "--config", str(ROOT / "app" / "gunicorn_settings.py"), "wsgi:app")


class ServerFailed(Exception):
    """The server did not start; the text is what it printed."""


class RunningServer:
    """One gunicorn. Start it from the main thread: it is killed when the thread that started it ends."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.instance = folder / "instance"
        self.logs = folder / "logs"
        self.port = free_port()
        self.env = (
            environ(INSTANCE_PATH=str(self.instance), LOG_DIR=str(self.logs), PORT=str(self.port)) | env
        )
        self.log = folder / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.instance.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The same, for sockets."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """What the server has printed so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def migrate(self) -> None:
        """Make the database current: a copy of a ready SQLite file, or the migrations themselves."""
        if not self.env["DATABASE_URL"] and not self.env["POSTGRES_DB"]:
            if not (self.instance / DATABASE).exists():
                shutil.copyfile(migrated_sqlite(), self.instance / DATABASE)
        else:
            flask("db", "upgrade", env=self.env)

    def start(self, wait: bool = True) -> None:
        """Start, and wait until /healthz answers 200 unless told otherwise."""
        assert not self.is_running, "it runs already"
        tether = [
            sys.executable,
            "-S",
            str(ROOT / "app" / "tethered.py"),
            str(int(signal.SIGKILL)),
            str(os.getpid()),
        ]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*tether, sys.executable, *GUNICORN],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.wait_until_healthy()

    def wait_until_healthy(self, limit_s: float = START_S) -> None:
        """Return when /healthz answers 200. Raises ServerFailed with the output when it does not."""
        deadline = time.monotonic() + limit_s
        answer = ""
        while self.is_running and time.monotonic() < deadline:
            answer = self._health()
            if answer == "":
                return
            time.sleep(0.03)
        state = "runs" if self.is_running else "ended"
        self.kill()
        raise ServerFailed(f"the server {state} and said: {answer}\n{self.output[-6000:]}")

    def stop(self) -> None:
        """SIGTERM, and wait for the end; SIGKILL for what is left after a while."""
        if self.is_running:
            assert self.process is not None
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server with all its workers, as a power cut would."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Stop, and start again on the same port and database."""
        self.stop()
        self.start()

    def _health(self) -> str:
        """Empty when well, else what is the matter."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            return "" if response.status == 200 else f"{response.status} {response.read(500)!r}"
        except (OSError, http.client.HTTPException) as error:
            return str(error)
        finally:
            connection.close()


@contextmanager
def running_server(folder: Path, **env: str) -> Iterator[RunningServer]:
    """A healthy server on a migrated database. ``env``: settings by name; its files are in ``folder``."""
    server = RunningServer(folder, **env)
    server.migrate()
    try:
        server.start()
        yield server
    finally:
        server.stop()


def environ(**settings: str) -> dict[str, str]:
    """An environment in which only ``settings`` are set, whatever this machine's ``envs/*.env`` say."""
    unset = dict.fromkeys(get_type_hints(Config), "")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    # gunicorn reads WEB_CONCURRENCY too, and takes no empty one.
    return inherited | unset | {"HOST": "127.0.0.1", "WEB_CONCURRENCY": "1"} | settings


def flask(*arguments: str, env: dict[str, str], timeout_s: float = 60.0) -> str:
    """Run a ``flask …`` command. Return what it printed; raises AssertionError with that when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"flask {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def migrated_sqlite() -> Path:
    """A SQLite file with every migration applied and no rows; made once for all test processes."""
    folder = Path(tempfile.gettempdir()) / f"constellation-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    template = folder / f"{_fingerprint()}.sqlite3"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                flask("db", "upgrade", env=environ(INSTANCE_PATH=scratch, LOG_DIR=scratch))
                (Path(scratch) / DATABASE).replace(template)
    return template


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for file in sorted((ROOT / "migrations").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
