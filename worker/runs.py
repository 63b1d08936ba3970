"""One run of a task: whether it may, a line in the log when it begins and ends, and the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import Ignore, Retry
from flask import current_app

from app.clock import utcnow
from app.db import unit_of_work
from app.domain_error import DomainError
from app.doorbell import ONCE
from app.jobs import ledger
from app.jobs.ledger import Claim, Ended
from app.stopping import HandedBack
from worker.keeper import Keeper
from worker.queues import queue_of

log = logging.getLogger(__name__)


def run(task: Any, call: Callable[[], Any], keeper: Keeper) -> Any:
    """Run a task and remember it. One that is started by the schedule, or by staff, needs to be due."""
    claim = None
    if (task.request.headers or {}).get(ONCE):
        with unit_of_work() as work:
            claim = ledger.claim(work, task.name, keeper.me.name, current_app.config["TIME_ZONE"])
        if claim is None:  # it has been run since the bell was rung, or is being run
            return None
    return _Run(task, claim, keeper).through(call)


class _Run:
    def __init__(self, task: Any, claim: Claim | None, keeper: Keeper) -> None:
        self._task, self._claim, self._keeper = task, claim, keeper
        self._started_at = utcnow()

    def through(self, call: Callable[[], Any]) -> Any:
        """Run; whatever comes of it is written down."""
        self._keeper.begin(self, self._task.name, self._started_at.isoformat(), self._claim)
        log.info("%s started", self._task.name, extra=self._ids())
        try:
            result = call()
        except HandedBack:
            log.info("%s stopped before its end, with the worker", self._task.name, extra=self._ids())
            self._keeper.end(self, None)
            return None
        except (Retry, Ignore) as reason:
            self._end(True, str(reason))
            raise
        except BaseException as error:  # also what ends a worker: a run that has begun gets its end
            self._end(False, sentence(error))
            raise
        self._end(True, "" if result is None else str(result))
        return result

    def _end(self, ok: bool, outcome: str) -> None:
        task, worker = self._task, self._keeper.me.name
        ended = Ended(task.name, queue_of(task), worker, self._started_at, utcnow(), ok, outcome, self._claim)
        self._keeper.end(self, ended)
        words = "%s ended after %.2f s: %s" if ok else "%s failed after %.2f s: %s"
        log.log(
            logging.INFO if ok else logging.ERROR, words, task.name, ended.seconds, outcome or "done",
            extra=self._ids(),
        )  # fmt: skip

    def _ids(self) -> dict[str, str]:
        return {"job": self._task.name}


def sentence(error: BaseException) -> str:
    """Why a task failed, in one line."""
    if isinstance(error, DomainError):
        return str(error.detail)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
