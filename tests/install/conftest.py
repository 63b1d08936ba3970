"""Installations to work on, and a systemd that can be looked at."""

from __future__ import annotations

import getpass
import shutil
import stat
from pathlib import Path

import pytest

from tests import databases, trees

# What systemctl would do is written down; the site is started and stopped when a test wants it to be.
SYSTEMCTL = """#!/bin/bash
echo "$*" >>"$SYSTEMCTL_LOG"
case $1 in
    is-system-running) echo running ;;
    stop | restart)
        if [ -e "$SYSTEMCTL_LOG.pid" ]; then
            kill "$(cat "$SYSTEMCTL_LOG.pid")" && tail --pid="$(cat "$SYSTEMCTL_LOG.pid")" -f /dev/null
            rm "$SYSTEMCTL_LOG.pid"
        fi
        if [ "$1" = restart ] && [ -n "${SITE:-}" ]; then
            "$SITE/scripts/run" </dev/null >>"$SYSTEMCTL_LOG.output" 2>&1 8<&- &
            echo $! >"$SYSTEMCTL_LOG.pid"
        fi
        ;;
esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of one package, in a folder with a space, installable without a network."""
    return trees.small(tmp_path / "a tree")


@pytest.fixture
def systemd(tmp_path: Path) -> dict[str, str]:
    """Settings under which the scripts find a systemd that only writes down what it is told."""
    tools, units = tmp_path / "tools", tmp_path / "units"
    tools.mkdir()
    units.mkdir()
    (tools / "systemctl").write_text(SYSTEMCTL)
    (tools / "systemctl").chmod(0o755)
    return {
        "PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin",
        "UNITS_DIR": str(units),
        "SYSTEMCTL_LOG": str(tmp_path / "systemctl.txt"),
    }


def me() -> str:
    """The user of the tests: a service for them needs nobody else."""
    return getpass.getuser()


def tool(name: str) -> str:
    """A program that the tests need and ``.ci/run`` installs."""
    found = shutil.which(name, path="/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        databases.unavailable(f"{name} is not installed")
    return found


def mode(file: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(file.stat().st_mode)
