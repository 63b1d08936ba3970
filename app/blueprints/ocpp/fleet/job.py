"""The one fleet of a worker process: begun by a bell, ended when nothing is wanted or the worker stops."""

from __future__ import annotations

import asyncio
import logging
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from flask import Flask

from app.blueprints.ocpp.fleet.fleet import Fleet
from app.blueprints.ocpp.fleet.ledger import DatabaseLedger
from app.leases import new_holder
from app.logs import active

log = logging.getLogger(__name__)

QUEUE = "simulators"


class Job:
    """Runs a fleet at a time, however many bells ring."""

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._rung = threading.Event()
        # A plain flag: it is set by a signal's handler, which must not wait for a lock.
        self.stopping = False

    def run(self, app: Flask) -> bool:
        """Run what is wanted; at once False where that is being done already."""
        self._rung.set()
        has_run = False
        # A bell that comes when the fleet has just looked for the last time is heard here.
        while self._rung.is_set() and not self.stopping and self._alone.acquire(blocking=False):
            try:
                self._rung.clear()
                has_run = True
                asyncio.run(self._run(app))
            finally:
                self._alone.release()
        return has_run

    async def _run(self, app: Flask) -> None:
        with ThreadPoolExecutor(1, "ledger", initializer=_log_to_queue) as executor:
            ledger = DatabaseLedger(app, new_holder())
            await Fleet(ledger, executor, lambda: self.stopping).run()


job = Job()


def raise_file_limit() -> None:
    """Every simulator is an open file, and many systems begin at 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log_to_queue() -> None:
    active.domain = QUEUE


@worker_ready.connect
def _begin(**_: Any) -> None:
    """Whatever ran when the last worker ended goes on, without waiting for a bell."""
    from app.blueprints.ocpp.tasks import run_simulators

    raise_file_limit()
    run_simulators.apply_async(retry=False, ignore_result=True)


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    """The fleet sees it within a tenth of a second, and hands everything back."""
    job.stopping = True
