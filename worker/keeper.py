"""Keeps the ledger for this worker: that it lives, what it has in hand, and what came of it.

Runs are written down together, at most once a second: a worker that sends a thousand mails a minute must not
make the database write twice as often for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app import logs
from app.db import unit_of_work
from app.jobs import ledger, presence
from app.jobs.ledger import Claim, Ended

log = logging.getLogger(__name__)

# Seconds over which runs that end are collected.
COLLECT_S = 1.0
# Runs that wait to be written down while the database is away; the oldest are forgotten.
MAX_WAITING = 2000


class Keeper:
    """One worker's hand in the ledger."""

    def __init__(self, context: Callable[[], AbstractContextManager[Any]], me: presence.Me) -> None:
        self._context = context
        self.me = me
        self._running: dict[object, tuple[str, str, Claim | None]] = {}
        self._ended: deque[Ended] = deque(maxlen=MAX_WAITING)
        self._handed_back: deque[Claim] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin to say that this worker lives."""
        self._thread.start()

    def stop(self) -> None:
        """Write down what is left, and leave."""
        self._stopping = True
        self._wake.set()
        self._thread.join(5.0)

    def begin(self, run: object, task: str, since: str, claim: Claim | None) -> None:
        """A run has begun."""
        with self._lock:
            self._running[run] = (task, since, claim)

    def end(self, run: object, ended: Ended | None) -> None:
        """A run has ended; with nothing to write down when it was handed back."""
        with self._lock:
            _, _, claim = self._running.pop(run)
            if ended is not None:
                self._ended.append(ended)
            elif claim is not None:
                self._handed_back.append(claim)
        self._wake.set()

    def _keep(self) -> None:
        logs.active.domain = "maintenance"
        written = True
        while not self._stopping:
            self._wake.clear()
            written = self._write(again=not written)
            self._wake.wait(presence.TELL_S)
            if not self._stopping and self._may_collect():
                time.sleep(COLLECT_S)
        self._write(again=False, last=True)

    def _may_collect(self) -> bool:
        """A job that others may wait for is written down at once."""
        with self._lock:
            return not self._handed_back and all(run.claim is None for run in self._ended)

    def _write(self, *, again: bool, last: bool = False) -> bool:
        with self._lock:
            ended, handed_back = list(self._ended), list(self._handed_back)
            running = list(self._running.values())
            self._ended.clear()
            self._handed_back.clear()
        try:
            with self._context(), unit_of_work() as work:
                for claim in handed_back:
                    ledger.hand_back(work, claim)
                ledger.renew(work, [claim for *_, claim in running if claim is not None])
                ledger.record(work, ended)
                if last:
                    presence.leave(work, self.me)
                else:
                    doing = [{"task": task, "since": since} for task, since, _ in running]
                    presence.tell(work, self.me, doing)
        except SQLAlchemyError as error:
            if not again:
                log.warning("the ledger of jobs cannot be written: %s", type(error).__name__)
            with self._lock:
                self._ended.extendleft(reversed(ended))
                self._handed_back.extendleft(reversed(handed_back))
            return False
        return True
