"""``DEV_RELOAD=1``: the site starts again when a file changes; from VS Code, with all that this asks for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import click

from app.config import ROOT
from app.supervisor import STOP_SIGNALS, TETHERED

WATCHED = ("app", "worker", "migrations", "envs", "wsgi.py", "setup.cfg", "requirements.txt")
# What is read once, when the site starts.
SUFFIXES = {".py", ".html", ".mo", ".env", ".json", ".cfg", ".txt"}
LOOK_S = 0.5
# More than the site takes to stop.
GRACE_S = 40.0
VSCODE = ("VSCODE_PID", "VSCODE_IPC_HOOK_CLI")

Snapshot = Mapping[Path, int]


def run(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> int:
    """Serve, and serve again after each change, until told to stop. Return the exit status."""
    refresh = None
    if is_vscode(environ):
        from app.refreshing import refresh as in_vscode

        refresh = in_vscode
    return Reloader(root, environ, refresh).run()


def is_vscode(environ: Mapping[str, str]) -> bool:
    """Whether we were started from VS Code: its terminal, its tasks, its debugger."""
    return environ.get("TERM_PROGRAM") == "vscode" or any(environ.get(name) for name in VSCODE)


class Reloader:
    """Runs the site as a child, so that no mistake in a file ends the watch over the files."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], refresh: Callable[[Path], object] | None
    ) -> None:
        self.root = root
        # The environment wins over envs/*.env: the child serves, and watches nothing.
        self.environ = {**environ, "DEV_RELOAD": "0"}
        self.refresh = refresh
        self.stopping = False

    def run(self) -> int:
        """Return when a signal says so, or when the site stops by itself without a mistake."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop_signal)
        click.echo("Files are watched (DEV_RELOAD): the site starts again when one changes.")
        seen = snapshot(self.root)
        site = self._start()
        while not self.stopping:
            ended = site.poll()
            if ended == 0:
                return 0
            if ended is not None:
                click.echo("The site has ended, see above; it starts again when a file changes.", err=True)
            changed = self._wait_for_change(seen, site)
            if changed is None:
                continue
            click.echo(f"{changed.relative_to(self.root)} has changed: starting again.")
            stop(site)
            if self.refresh is not None:
                self.refresh(self.root)
            seen = snapshot(self.root)
            site = self._start()
        stop(site)
        return 0

    def _start(self) -> subprocess.Popen[bytes]:
        # In our own terminal and group: the first password is shown, and Ctrl-C reaches both.
        tether = [sys.executable, "-I", "-S", TETHERED, str(int(signal.SIGTERM)), str(os.getpid())]
        command = [*tether, sys.executable, "-m", "app.server"]
        return subprocess.Popen(command, cwd=self.root, env=self.environ)  # noqa: S603 - our own command

    def _wait_for_change(self, seen: Snapshot, site: subprocess.Popen[bytes]) -> Path | None:
        """The file that changed, once nothing changes any more; None when there is something else to do."""
        ended = site.poll() is not None
        while not self.stopping and (ended or site.poll() is None):
            time.sleep(LOOK_S)
            now = snapshot(self.root)
            changed = sorted(path for path, _ in set(seen.items()) ^ set(now.items()))
            if changed:
                self._wait_until_quiet(now)
                return changed[0]
        return None

    def _wait_until_quiet(self, now: Snapshot) -> None:
        """An editor, or git, writes many files in a row."""
        before: Snapshot = {}
        while before != now and not self.stopping:
            before = now
            time.sleep(LOOK_S)
            now = snapshot(self.root)

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True


def snapshot(root: Path) -> Snapshot:
    """When each watched file was last written."""
    found = {}
    for file in _files(root):
        try:
            found[file] = file.stat().st_mtime_ns
        except FileNotFoundError:  # an editor replaces it just now
            continue
    return found


def stop(site: subprocess.Popen[bytes]) -> None:
    """Stop the site, which stops its own processes."""
    if site.poll() is None:
        site.terminate()
        try:
            site.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            site.kill()
            site.wait()


def _files(root: Path) -> Iterator[Path]:
    for name in WATCHED:
        place = root / name
        for folder, folders, files in os.walk(place):
            folders[:] = [sub for sub in folders if sub not in ("__pycache__", "static")]
            yield from (Path(folder, file) for file in files if Path(file).suffix in SUFFIXES)
        if place.is_file():
            yield place
