"""Rings for the worker: a row says what there is to do, the broker only that there is something.

Ring after the commit. A bell that nobody hears costs time, never work: what waits in the database is found by
the next scheduled look.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask, current_app

log = logging.getLogger(__name__)


def broker(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's settings of the broker: Redis when REDIS_URL is set, else a folder of files."""
    if settings["REDIS_URL"]:
        return {"broker_url": settings["REDIS_URL"]}
    folder = Path(settings["INSTANCE_PATH"]).resolve() / "broker"
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


def ring(task: Task, *arguments: Any) -> None:
    """Have a worker run a task, soon. The task names its queue: ``@shared_task(…, queue="mail")``."""
    bell: Celery = current_app.extensions["doorbell"]
    try:
        bell.send_task(task.name, arguments, queue=task.queue, retry=False, ignore_result=True)
    except Exception as error:  # whatever a broker raises that is away: the row waits
        log.warning("the worker could not be told of %s: %s", task.name, error)


def init_app(app: Flask) -> None:
    """Give the application its bell."""
    bell = app.extensions["doorbell"] = Celery("constellation")
    bell.conf.update(**broker(app.config), task_ignore_result=True)
    if app.config["REDIS_URL"]:  # whoever rings does not wait for a Redis that is down
        bell.conf.update(
            broker_transport_options={"socket_connect_timeout": 1, "socket_timeout": 2},
            broker_connection_timeout=2,
        )
    bell.set_default()
