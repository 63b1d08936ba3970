"""The Celery app: the application's settings and the domains' tasks. Started by ``scripts/run``.

The broker is a doorbell; what there is to do stands in the database. Embedded default: a folder of files.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, task_prerun, worker_ready, worker_shutdown, worker_shutting_down

from app import create_app, doorbell, stopping
from app.blueprints import DOMAINS
from app.jobs import presence
from app.logs import active
from worker import runs
from worker.keeper import Keeper
from worker.queues import DEFAULT, queue_of
from worker.schedule import SCHEDULE

log = logging.getLogger(__name__)
flask_app = create_app()
keeper = Keeper(flask_app.app_context, presence.Me(presence.WORKER))


class AppTask(Task):
    """A task inside the application's context, and in the ledger."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run with settings and database at hand."""
        with flask_app.app_context():
            return runs.run(self, lambda: self.run(*args, **kwargs), keeper)


app = Celery("constellation", task_cls=AppTask)
app.conf.update(
    **doorbell.broker(flask_app.config),
    task_ignore_result=True,
    # At once: a run that dies is found by its row, sooner than any broker would tell of it again.
    task_acks_late=False,
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
def _begin(sender: Any = None, **_kwargs: Any) -> None:
    """For whoever waits for it, for the log's reader, and for the staff page."""
    active.domain = DEFAULT
    keeper.me = presence.Me(presence.WORKER, ",".join(sorted(sender.app.amqp.queues.consume_from)))
    keeper.start()
    log.info("the worker is ready")


@worker_shutting_down.connect
def _stop(**_kwargs: Any) -> None:
    """Long work ends soon: what it leaves is found again."""
    stopping.told.set()


@worker_shutdown.connect
def _end(**_kwargs: Any) -> None:
    active.domain = DEFAULT
    keeper.stop()
    log.info("the worker has stopped")
