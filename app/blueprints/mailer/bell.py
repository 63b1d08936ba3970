"""Rings for the pump by itself: whoever queues mail need not think of the worker."""

from __future__ import annotations

import threading
import time

from flask import Flask, current_app, has_app_context
from sqlalchemy import event
from sqlalchemy.orm import Session

from app import doorbell
from app.blueprints.mailer import tasks
from app.blueprints.mailer.services.queueing import QUEUED

# Seconds in which many commits are one ring: a thousand mails are not a thousand calls for the worker.
GATHER_S = 0.2


class Bell:
    """Rings soon, in a thread of its own: a commit must not wait for a broker that is away."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._rings = False

    def ring(self) -> None:
        """Have what has been committed until now sent."""
        with self._lock:
            if self._rings:
                return
            self._rings = True
        threading.Thread(target=self._ring, name="mail bell").start()

    def _ring(self) -> None:
        time.sleep(GATHER_S)
        with self._lock:  # what is committed from here on rings anew
            self._rings = False
        with self._app.app_context():
            doorbell.ring(tasks.send_queued)


def init_app(app: Flask) -> None:
    """Give the application its bell."""
    app.extensions["mail_bell"] = Bell(app)


@event.listens_for(Session, "after_commit")
def _after_commit(session: Session) -> None:
    if session.info.pop(QUEUED, False) and has_app_context():
        current_app.extensions["mail_bell"].ring()


@event.listens_for(Session, "after_rollback")
def _after_rollback(session: Session) -> None:
    session.info.pop(QUEUED, None)
