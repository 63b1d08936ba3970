"""The benchmark measures what it says; its figures are for people, so here it only has to be sound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchmark import profile
from scripts.benchmark.processes import ROOT


@pytest.mark.slow
def test_every_crowd_is_measured_and_every_row_is_there(tmp_path: Path) -> None:
    small = [
        "--restless",
        "10",
        "--readings",
        "2000",
        "--chargers",
        "10",
        "--seconds",
        "1",
        "--warmup",
        "0.5",
    ]

    done = subprocess.run(
        [sys.executable, "scripts/bench", "--only", *small, "--directory", str(tmp_path), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout[done.stdout.index("\n{") :])
    assert report["sound"]
    assert report["neighbours"]["returned"] >= 10
    assert report["neighbours"]["looped"] >= 1
    assert report["neighbours"]["beside"]["calls"] > 0
    assert len(report["metering"]["full"]) == 5


def test_time_is_booked_on_the_innermost_function_of_ours_and_on_what_that_called() -> None:
    spent = profile.places(
        [
            "run (gevent/greenlet.py);serve (app/line.py);execute (/x/site-packages/psycopg/cursor.py) 3",
            "run (gevent/greenlet.py);serve (app/line.py) 2",
            "main (/usr/lib/python3.11/selectors.py) 1",
        ]
    )

    assert spent == {"app/line.py serve → psycopg": 3, "app/line.py serve": 2, "selectors": 1}
