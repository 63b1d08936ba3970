"""A real Celery worker for tests, as ``scripts/run`` starts it, on the database and the broker of a server.

with running_worker(server.env, folder) as worker:
    …                       # what the server's pages and commands ask for is done
    worker.kill()           # SIGKILL, as a power cut would
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from app.config import ROOT
from app.server import worker as worker_process

START_S, STOP_S = 60.0, 25.0


class RunningWorker:
    """One worker process. Start it from the main thread: it dies with the thread that started it."""

    def __init__(self, env: Mapping[str, str], folder: Path, queues: str = "") -> None:
        self.env = dict(env)
        self.log = folder / "worker-output.txt"
        self.command = list(worker_process().command)
        if queues:
            self.command[self.command.index("--queues") + 1] = queues
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has printed so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start, and wait until it listens to its queues."""
        before = self._times_ready()
        tether = [sys.executable, "-S", str(ROOT / "app" / "tethered.py"), str(int(signal.SIGKILL))]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*tether, str(os.getpid()), *self.command],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while self._times_ready() == before:
            assert self.is_running, f"the worker ended:\n{self.output[-6000:]}"
            assert time.monotonic() < deadline, f"the worker is not ready:\n{self.output[-6000:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and wait for the end; SIGKILL for what is left after a while."""
        if self.is_running:
            assert self.process is not None
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the worker with everything that it started."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _times_ready(self) -> int:
        log = Path(self.env["LOG_DIR"]) / "maintenance.log"
        return log.read_text(errors="replace").count("the worker is ready") if log.exists() else 0


@contextmanager
def running_worker(env: Mapping[str, str], folder: Path, queues: str = "") -> Iterator[RunningWorker]:
    """A worker that listens. ``env``: of a server (``RunningServer.env``), whose work it does."""
    worker = RunningWorker(env, folder, queues)
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()
