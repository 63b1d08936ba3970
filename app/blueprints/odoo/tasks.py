"""Checks of Odoo servers, in the worker."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

from celery import shared_task
from celery.worker import state
from flask import current_app

from app.blueprints.odoo import client, services
from app.blueprints.odoo.client import Report
from app.blueprints.odoo.services import Job
from app.db import unit_of_work
from app.leases import new_holder

log = logging.getLogger(__name__)

# Servers that one worker asks at once. All of them may hang: they cost a thread each, for ten seconds.
AT_ONCE = 32
# One round at a time in a process: however many bells ring, mail and the other queues keep their threads.
_rounds = threading.Lock()
# Set by whoever rings, and by each check that ends: there may be more to do.
_wake = threading.Event()


@shared_task(name="odoo.check_instances", queue="odoo")
def check_instances() -> int:
    """Check every instance that is due or was asked for; return how many. Safe to run twice, and at once.

    While a round is on, a bell only wakes it, and ends.
    """
    _wake.set()
    checked = 0
    while _wake.is_set() and _rounds.acquire(blocking=False):
        try:
            checked += _round()
        finally:
            _rounds.release()
    return checked


def _round() -> int:
    """Keep up to ``AT_ONCE`` checks going for as long as any is wanted; each is written down when it ends."""
    holder, checked = new_holder(), 0
    running: dict[Future[Report], Job] = {}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while True:
            _wake.clear()
            for done in [future for future in running if future.done()]:
                _finish(running.pop(done), done.result(), holder)
                checked += 1
            for job in _taken(holder, AT_ONCE - len(running)):
                future = threads.submit(client.check, job.login)
                running[future] = job
                future.add_done_callback(lambda _future: _wake.set())
            if not running:
                return checked
            _wake.wait()


def _taken(holder: str, limit: int) -> list[Job]:
    """More to do; nothing more once the worker has been told to stop."""
    minutes = current_app.config["ODOO_CHECK_MINUTES"]
    if is_stopping() or not limit:
        return []
    with unit_of_work() as work:
        every = timedelta(minutes=minutes) if minutes else None
        return services.take(work, holder=holder, limit=limit, every=every)


def _finish(job: Job, report: Report, holder: str) -> None:
    with unit_of_work() as work:
        services.finish(work, job, report, holder=holder)
    log.info("odoo instance %d: %s in %d ms", job.instance_id, report.outcome, report.duration_ms)


def is_stopping() -> bool:
    """Whether this worker has been told to stop: it then ends what it has begun, and begins nothing."""
    told = (state.should_stop, state.should_terminate)
    return any(one is not None and one is not False for one in told)  # 0 is an exit status
