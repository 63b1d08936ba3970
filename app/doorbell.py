"""Rings for the worker: a row says what there is to do, the broker only that there is something.

Ring after the commit. A bell that nobody hears costs time, never work: what waits in the database is found by
the next scheduled look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask, Response, after_this_request, current_app, has_request_context

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
    """Have a worker run a task, soon. The task names its queue: ``@shared_task(…, queue="mail")``.

    Inside a request the bell is rung once the visitor has the answer: nobody waits for a broker that is away.
    """
    call = partial(_send, current_app.extensions["doorbell"], task.name, task.queue, arguments)
    if has_request_context():
        after_this_request(partial(_when_sent, call))
    else:
        call()


def _when_sent(call: Callable[[], Any], response: Response) -> Response:
    response.call_on_close(call)
    return response


def _send(bell: Celery, name: str, queue: str, arguments: tuple[Any, ...]) -> None:
    try:
        bell.send_task(name, arguments, queue=queue, retry=False, ignore_result=True)
    except Exception as error:  # whatever a broker raises that is away: the row waits
        log.warning("the worker could not be told of %s: %s", name, error)


def init_app(app: Flask) -> None:
    """Give the application its bell."""
    bell = app.extensions["doorbell"] = Celery("constellation")
    bell.conf.update(**broker(app.config), task_ignore_result=True)
    if app.config["REDIS_URL"]:  # nobody waits long for a Redis that is down
        bell.conf.update(
            broker_transport_options={"socket_connect_timeout": 1, "socket_timeout": 2},
            broker_connection_timeout=2,
        )
    bell.set_default()
