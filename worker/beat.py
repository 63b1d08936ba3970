"""The scheduler: ``celery beat --scheduler worker.beat:Scheduler``.

What has been done stands in the ledger, not here: several of these do no harm, a bell that got lost is rung
again, and what came due while none of them ran is made up for, once.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import celery.beat
from sqlalchemy.exc import SQLAlchemyError

from app import doorbell
from app.db import db, unit_of_work
from app.jobs import ledger, presence, rounds, schedules
from app.logs import active
from worker import flask_app
from worker.queues import DEFAULT, queue_of

log = logging.getLogger(__name__)


class Scheduler(celery.beat.Scheduler):
    """Celery's beat, with the ledger for a memory."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._rounds = rounds.Rounds(doorbell.ring_once)
        self._me = presence.Me(presence.BEAT)
        self._told_at: float | None = None
        self._is_away = self._is_looking = False
        super().__init__(*args, **options)

    def setup_schedule(self) -> None:
        """The first tick that reaches the database tells the ledger."""

    def tick(self, *_args: Any, **_options: Any) -> float:
        """Ring for what is due; return the seconds until the next look."""
        active.domain = DEFAULT
        self._is_looking = True
        try:
            with flask_app.app_context():
                pause = self._look()
        except SQLAlchemyError as error:
            if not self._is_away:
                log.warning("the ledger of jobs is away: %s", type(error).__name__)
            self._is_away = True
            return rounds.LOOK_S
        finally:
            self._is_looking = False
        self._is_away = False
        return pause

    def close(self) -> None:
        """Leave. Celery calls it from the signal's handler, and again afterwards."""
        if self._is_looking:
            return
        try:
            with flask_app.app_context(), unit_of_work() as work:
                presence.leave(work, self._me)
        except SQLAlchemyError:
            log.info("the scheduler could not say goodbye")
        super().close()

    def _look(self) -> float:
        if self._told_at is None or time.monotonic() - self._told_at > presence.TELL_S:
            self._tell()
        return self._rounds.look(db.session(), flask_app.config["TIME_ZONE"])

    def _tell(self) -> None:
        with unit_of_work() as work:
            if self._told_at is None:
                ledger.take_over(work, entries(self.app))
            ledger.mend(work)
            presence.tell(work, self._me)
        self._told_at = time.monotonic()


def entries(app: Any) -> list[ledger.Entry]:
    """The lines of ``worker/schedule.py``."""
    return [
        ledger.Entry(line["task"], queue_of(app.tasks.get(line["task"])), schedules.as_text(line["schedule"]))
        for line in app.conf.beat_schedule.values()
    ]
