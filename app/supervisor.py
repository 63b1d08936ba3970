"""Keeps a few processes running together: starts them, restarts what dies, and stops all of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType

import click

TETHERED = str(Path(__file__).with_name("tethered.py"))
# Ctrl-C, systemd or `kill`, a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds between being told to stop and being killed; web closes its sockets in ten.
GRACE_S = 25.0
# A process that ran this long is healthy again: its next restart does not wait for long.
HEALTHY_AFTER_S = 60.0
LONGEST_PAUSE_S = 60.0


class Child:
    """One process, in a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor."""

    def __init__(
        self, name: str, command: Sequence[str], when_orphaned: signal.Signals = signal.SIGTERM
    ) -> None:
        self.name = name
        self.command = command
        self.when_orphaned = when_orphaned
        self.tail: deque[str] = deque(maxlen=20)
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.due_at = 0.0
        self.failures = 0

    def start(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Start the process. Must run in the main thread: the tether is to the thread that forks."""
        tether = [sys.executable, "-I", "-S", TETHERED, str(int(self.when_orphaned)), str(os.getpid())]
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            [*tether, *self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environ),
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        self._pump = threading.Thread(target=self._pass_on, args=(self.process,), daemon=True)
        self._pump.start()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process and whatever it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def last_words(self) -> str:
        """The last line that it wrote before it ended."""
        self._pump.join(timeout=2)
        return next((line for line in reversed(self.tail) if line.strip()), "it said nothing")

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.tail.append(text)
            with suppress(OSError, ValueError):  # nobody listens any more: keep the pipe empty all the same
                click.echo(f"{self.name}: {text}", err=True)


class Supervisor:
    """Runs children until told to stop. Used as a context: no child outlives it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.children: list[Child] = []
        self.stopping = False
        self._may_interrupt = False

    def __enter__(self) -> Supervisor:
        self._wake, wake_up = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_up, False)
        signal.set_wakeup_fd(wake_up, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake up
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, a stop signal raises KeyboardInterrupt instead of waiting for the next look."""
        if self.stopping:
            raise KeyboardInterrupt
        self._may_interrupt = True
        try:
            yield
        finally:
            self._may_interrupt = False

    def start(self, child: Child) -> None:
        """Start a child, and look after it from now on."""
        self.children.append(child)
        child.start(self.folder, self.environ)

    def pause(self, seconds: float) -> None:
        """Sleep until a signal arrives or the time is over."""
        with suppress(BlockingIOError):
            if select.select([self._wake], [], [], seconds)[0]:
                os.read(self._wake, 512)

    def revive(self) -> None:
        """Start again what has died, with growing pauses."""
        now = time.monotonic()
        for child in self.children:
            if child.is_running:
                continue
            if child.due_at <= child.started_at:
                self._plan_restart(child, now)
            elif now >= child.due_at:
                child.start(self.folder, self.environ)

    def stop(self) -> None:
        """Tell every child to stop, wait, and kill what is left with everything it started."""
        self.stopping = True
        running = [child for child in self.children if child.is_running]
        for child in running:
            assert child.process is not None
            child.process.terminate()
        deadline = time.monotonic() + GRACE_S
        while any(child.is_running for child in running) and time.monotonic() < deadline:
            self.pause(0.1)
        for child in self.children:
            child.signal_group(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _plan_restart(self, child: Child, now: float) -> None:
        assert child.process is not None
        child.signal_group(signal.SIGTERM)  # what it started and left behind
        child.failures = 1 if now - child.started_at > HEALTHY_AFTER_S else child.failures + 1
        wait_s = min(2.0 ** (child.failures - 1), LONGEST_PAUSE_S)
        child.due_at = now + wait_s
        ended = f"The {child.name} process ended (status {child.process.returncode})"
        click.echo(f"{ended}; it starts again in {wait_s:.0f} s.", err=True)

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        if self._may_interrupt:
            self._may_interrupt = False
            raise KeyboardInterrupt
