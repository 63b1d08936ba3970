"""``scripts/run prepare``, ``web``, ``worker``, ``beat``: what systemd and containers run by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from tests import servers

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """An embedded installation of its own."""
    folders = {"INSTANCE_PATH": str(tmp_path / "instance"), "LOG_DIR": str(tmp_path / "logs")}
    return servers.environ(**folders, PORT=str(servers.free_port()))


@pytest.fixture
def start(tmp_path: Path, settings: dict[str, str]) -> Iterator[Start]:
    """Start a part; what is left of it is killed in the end."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.server", *arguments],
            cwd=ROOT,
            env=settings | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    output = process.communicate(timeout=100)[0]
    return process.returncode, output


def eventually(question: Callable[[], bool], within_s: float = 60.0) -> bool:
    deadline = time.monotonic() + within_s
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("arguments", [["everything"], ["web", "worker"], ["--help"]])
def test_an_unknown_part_is_refused_in_one_sentence(start, arguments):
    status, output = said(start(*arguments))

    assert status == 1
    assert output.startswith("Usage: scripts/run [prepare|web|worker|beat]")
    assert len(output.splitlines()) == 1


def test_a_folder_that_cannot_be_written_to_is_named(start):
    status, output = said(start("prepare", LOG_DIR="/proc/nowhere"))

    assert status == 1
    assert "LOG_DIR=/proc/nowhere" in output
    assert "scripts/install.sh --service" in output
    assert len(output.splitlines()) == 1


def test_several_web_processes_without_redis_are_refused_here_too(start):
    status, output = said(start("web", WEB_CONCURRENCY="2"))

    assert (status, output.startswith("WEB_CONCURRENCY=2 needs REDIS_URL")) == (1, True)


@pytest.mark.slow
def test_the_parts_serve_together_and_each_stops_when_told(start, settings, tmp_path):
    assert said(start("prepare"))[0] == 0
    secrets = tmp_path / "instance/first-run-secrets.txt"
    kept = secrets.read_text()
    assert said(start("prepare"))[0] == 0
    assert secrets.read_text() == kept

    web, worker, beat = start("web"), start("worker"), start("beat")
    looks = [sys.executable, "-m", "app.upgrading", "serves", "60"]
    assert subprocess.run(looks, cwd=ROOT, env=settings, check=False).returncode == 0
    log = tmp_path / "logs/maintenance.log"
    assert eventually(lambda: log.exists() and "the worker is ready" in log.read_text())

    second_status, second = said(start("web", PORT=str(servers.free_port())))
    assert (second_status, "Another scripts/run is using" in second) == (1, True)
    for process in (beat, worker, web):
        assert process.poll() is None
        process.terminate()
        assert process.wait(40) == 0
