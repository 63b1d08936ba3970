"""``DEV_RELOAD=1``: restarts after changes, and what VS Code gets beside."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from websockets.sync.client import connect

from app import refreshing, reloading
from app.config import ROOT
from tests import servers, trees

# Many processes, one after the other.
pytestmark = pytest.mark.timeout(300)
HEAD = str(ScriptDirectory(str(ROOT / "migrations")).get_current_head())
SITE = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with Path("served.txt").open("a") as file:
    file.write("one " + os.environ["DEV_RELOAD"] + chr(10))
time.sleep(600)
"""


def eventually(question: Callable[[], object], within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# --- restarts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A site of one small file."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/server.py").write_text(SITE)
    return tmp_path


@pytest.fixture
def watch(root: Path) -> Iterator[subprocess.Popen[str]]:
    """The watch over it, refreshing by writing a line."""
    code = (
        "import sys; from pathlib import Path; from app.reloading import Reloader; root = Path(sys.argv[1]);"
        "refresh = lambda root: (root / 'refreshed.txt').write_text('yes');"
        "sys.exit(Reloader(root, {}, refresh).run())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def served(root: Path) -> list[str]:
    file = root / "served.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_a_change_starts_the_site_again_and_a_mistake_waits_for_the_next(root, watch):
    assert eventually(lambda: served(root) == ["one 0"])

    (root / "app/server.py").write_text("raise SystemExit(3)")
    assert eventually(lambda: (root / "refreshed.txt").exists())
    (root / "app/server.py").write_text(SITE.replace("one", "two"))
    assert eventually(lambda: served(root) == ["one 0", "two 0"])
    (root / "app/notes.md").write_text("not read by the site")
    (root / "instance").mkdir()
    (root / "instance/kept.json").write_text("{}")

    watch.send_signal(signal.SIGTERM)
    assert watch.wait(20) == 0
    said = watch.stdout.read()  # type: ignore[union-attr]
    assert "app/server.py has changed: starting again." in said
    assert served(root) == ["one 0", "two 0"]


def test_a_site_that_ends_without_a_mistake_ends_the_watch(root, watch):
    assert eventually(lambda: served(root))
    (child,) = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text().split()

    os.kill(int(child), signal.SIGTERM)

    assert watch.wait(20) == 0


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM_PROGRAM": "vscode"}, True),
        ({"VSCODE_PID": "1"}, True),
        ({"TERM_PROGRAM": "tmux"}, False),
        ({}, False),
    ],
)
def test_only_vs_code_is_vs_code(environ, expected):
    assert reloading.is_vscode(environ) is expected


# --- what VS Code gets


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a bare repository, with a migrated database and packages that are current."""
    first = trees.whole(tmp_path / "first")
    trees.git(tmp_path, "clone", "--quiet", "--bare", "first", "origin.git")
    clone = trees.clone(first, tmp_path / "origin.git", tmp_path / "clone")
    trees.add_venv(clone)
    (clone / "instance").mkdir()
    (clone / "instance" / servers.DATABASE).write_bytes(servers.migrated_sqlite().read_bytes())
    folders = {"INSTANCE_PATH": str(clone / "instance"), "LOG_DIR": str(clone / "logs")}
    for name, text in (servers.environ(**folders) | trees.WHO).items():
        monkeypatch.setenv(name, text)
    return clone


def migrations(clone: Path, second: str = "pass") -> None:
    """Two that were written side by side, each committed."""
    for number, body in (("9001", "pass"), ("9002", second)):
        text = f"revision, down_revision = '{number}', '{HEAD}'\n\n\ndef upgrade():\n    {body}\n"
        (clone / f"migrations/versions/{number}_side.py").write_text(text)
    trees.commit(clone, "side by side")


@pytest.mark.slow
def test_migrations_are_merged_applied_committed_and_pushed_and_nothing_else_is(clone, capsys):
    migrations(clone)
    (clone / "page.txt").write_text("being edited\n")

    refreshing.refresh(clone)

    assert "Committed, and pushed." in capsys.readouterr().out
    changed = trees.git(clone, "show", "--name-only", "--format=%s", "origin/main").split("\n")
    assert changed == ["Merge migrations", "", "migrations/versions/9003_merge_heads.py"]
    assert trees.git(clone, "ls-remote", "origin", "main").split()[0] == trees.git(clone, "rev-parse", "HEAD")
    assert trees.git(clone, "status", "--porcelain") == "M page.txt"
    with sqlite3.connect(clone / "instance" / servers.DATABASE) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9003",)]


@pytest.mark.slow
def test_a_merge_that_cannot_be_applied_is_not_committed(clone, capsys):
    migrations(clone, second="raise RuntimeError('no')")
    before = trees.git(clone, "rev-parse", "HEAD")

    refreshing.refresh(clone)

    said = capsys.readouterr().err
    assert "app.upgrading migrate failed" in said
    assert "RuntimeError: no" in said
    assert trees.git(clone, "rev-parse", "HEAD") == before


# --- .vscode


def configurations() -> dict[str, dict]:
    found = json.loads((ROOT / ".vscode/launch.json").read_text())["configurations"]
    return {one["name"]: one for one in found}


def test_the_editor_runs_what_is_there():
    tasks = json.loads((ROOT / ".vscode/tasks.json").read_text())["tasks"]
    commands = [one["command"] for one in [*tasks, *configurations().values()] if "command" in one]

    assert {"scripts/run", "scripts/test", "scripts/install.sh"} <= {one.split()[0] for one in commands}
    for command in commands:
        program = command.split()[0]
        assert program.startswith(".venv/") or (ROOT / program).is_file()
    needed = {one["preLaunchTask"] for one in configurations().values() if "preLaunchTask" in one}
    assert needed <= {one["label"] for one in tasks}


@pytest.mark.slow
def test_what_the_debugger_starts_serves_pages_and_chargers(tmp_path):
    debug = configurations()["Debug the site"]
    server = servers.RunningServer(tmp_path)
    server.migrate()
    arguments = [str(server.port) if one == "8000" else one for one in debug["args"]]
    process = subprocess.Popen(
        [sys.executable, "-m", debug["module"], *arguments],
        cwd=ROOT,
        env=server.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: server._health() == "", 60)
        boot = [2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]
        with connect(f"{server.ws_url}/DEBUG1/", subprotocols=["ocpp1.6"]) as charger:  # type: ignore[list-item]
            charger.send(json.dumps(boot))
            assert json.loads(charger.recv(timeout=30))[2]["status"] == "Accepted"
    finally:
        process.kill()
        process.wait()
