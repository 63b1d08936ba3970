"""The Celery app: the application's settings and the domains' tasks. Started by ``scripts/run``.

The broker is a doorbell; what there is to do stands in the database. Embedded default: a folder of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import task_prerun

from app import create_app
from app.blueprints import DOMAINS
from app.logs import active
from worker.queues import ROUTES, queue_of
from worker.schedule import SCHEDULE

flask_app = create_app()


class AppTask(Task):
    """A task inside the application's context."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run with settings and database at hand."""
        with flask_app.app_context():
            return self.run(*args, **kwargs)


def _broker(settings: Any) -> dict[str, Any]:
    if settings["REDIS_URL"]:
        return {"broker_url": settings["REDIS_URL"]}
    folder = Path(flask_app.instance_path) / "broker"
    for name in ("queue", "processed"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "processed_folder": str(folder / "processed"),
            "control_folder": str(folder / "control"),
            "store_processed": False,
        },
    }


app = Celery("constellation", task_cls=AppTask)
app.conf.update(
    **_broker(flask_app.config),
    task_ignore_result=True,
    task_acks_late=True,
    task_routes=ROUTES,
    task_default_queue="maintenance",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    beat_schedule=SCHEDULE,
    timezone="UTC",
)
app.autodiscover_tasks([f"app.blueprints.{name}" for name in DOMAINS])
app.set_default()


@task_prerun.connect
def _log_to_queue(task: Any = None, **_kwargs: Any) -> None:
    """Each queue has a log file of its own."""
    active.domain = queue_of(task.name)
