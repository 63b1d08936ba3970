"""Tasks of tests, for a real worker: ``--include tests.jobs.tasks``. They write what they do into files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import shared_task

from app import stopping

FOLDER = Path(os.environ.get("TEST_TASKS_FOLDER", "."))


def note(name: str, text: str) -> None:
    """Add a line to a file of the test."""
    with (FOLDER / name).open("a") as file:
        file.write(f"{text}\n")


@shared_task(name="tests.long", queue="maintenance")
def long() -> str:
    """Work in pieces, for as long as a file is there."""
    note("long", "begun")
    while (FOLDER / "hold").exists():
        stopping.check()
        time.sleep(0.05)
    note("long", "done")
    return "was long"


@shared_task(name="tests.slow", queue="maintenance")
def slow(number: int) -> None:
    """Take a second, and know nothing of being told to stop."""
    time.sleep(1.0)
    note("slow", str(number))


@shared_task(name="tests.tick", queue="maintenance")
def tick() -> None:
    """Note when it ran."""
    began = time.time()
    time.sleep(0.2)
    note("tick", f"{began} {time.time()}")


@shared_task(name="tests.fail", queue="maintenance")
def fail() -> None:
    """Fail."""
    raise OSError("the moon is\nin the way")
