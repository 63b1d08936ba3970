"""The Celery app: the application's settings and the domains' tasks. Started by ``scripts/run``.

The broker is a doorbell; what there is to do stands in the database. Embedded default: a folder of files.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, task_prerun, worker_ready, worker_shutdown

from app import create_app, doorbell
from app.blueprints import DOMAINS
from app.logs import active
from worker.queues import DEFAULT, queue_of
from worker.schedule import SCHEDULE

log = logging.getLogger(__name__)
flask_app = create_app()


class AppTask(Task):
    """A task inside the application's context."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run with settings and database at hand."""
        with flask_app.app_context():
            return self.run(*args, **kwargs)


app = Celery("constellation", task_cls=AppTask)
app.conf.update(
    **doorbell.broker(flask_app.config),
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue=DEFAULT,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    beat_schedule=SCHEDULE,
    timezone="UTC",
)
app.autodiscover_tasks([f"app.blueprints.{name}" for name in DOMAINS])
app.set_default()


@setup_logging.connect
def _keep_our_logs(**_kwargs: Any) -> None:
    """Connected, so that Celery leaves the application's log as it is."""


@task_prerun.connect
def _log_to_queue(task: Any = None, **_kwargs: Any) -> None:
    """Each queue has a log file of its own."""
    active.domain = queue_of(task)


@worker_ready.connect
def _say_ready(**_kwargs: Any) -> None:
    """For whoever waits for it, and for the log's reader."""
    active.domain = DEFAULT
    log.info("the worker is ready")


@worker_shutdown.connect
def _say_stopped(**_kwargs: Any) -> None:
    active.domain = DEFAULT
    log.info("the worker has stopped")
