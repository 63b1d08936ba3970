"""Rings for the worker: a row says what there is to do, the broker only that there is something.

Ring after the commit. A bell that nobody hears costs time, never work: what waits in the database is found by
the next scheduled look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask, Response, after_this_request, current_app, has_request_context
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import file_broker
from app.queues import QUEUES

log = logging.getLogger(__name__)

# A header of what schedule and staff start: the job runs unless it is being run, or has been.
ONCE = "once"
# Seconds that Redis may take to tell how much waits.
PATIENCE_S = 1.0


def broker(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's settings of the broker: Redis when REDIS_URL is set, else a folder of files."""
    if settings["REDIS_URL"]:
        return {"broker_url": settings["REDIS_URL"], "broker_transport": "app.redis_broker:Transport"}
    folder = _folder(settings)
    for name in ("queue", "processed"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": "filesystem://localhost",
        "broker_transport": "app.file_broker:Transport",
        "broker_transport_options": {
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "processed_folder": str(folder / "processed"),
            "control_folder": str(folder / "control"),
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


def ring_once(task: str, queue: str) -> bool:
    """Have a worker run a job (see ``app.jobs``), by name. False when the broker could not be told."""
    return _send(current_app.extensions["doorbell"], task, queue, (), headers={ONCE: True})


def waiting() -> dict[str, int] | None:
    """How many bells wait in each queue; None while the broker cannot tell."""
    settings = current_app.config
    try:
        if not settings["REDIS_URL"]:
            return file_broker.waiting(str(_folder(settings) / "queue"), QUEUES)
        pipe = _redis(settings["REDIS_URL"]).pipeline(transaction=False)
        for queue in QUEUES:
            pipe.llen(queue)
        return dict(zip(QUEUES, pipe.execute(), strict=True))
    except (RedisError, OSError) as error:
        log.warning("the broker cannot tell what waits: %s", error)
        return None


def _send(bell: Celery, name: str, queue: str, arguments: tuple[Any, ...], **options: Any) -> bool:
    try:
        bell.send_task(name, arguments, queue=queue, retry=False, ignore_result=True, **options)
    except Exception as error:  # whatever a broker raises that is away: the row waits
        log.warning("the worker could not be told of %s: %s", name, error)
        return False
    return True


def _folder(settings: Mapping[str, Any]) -> Path:
    return Path(settings["INSTANCE_PATH"]).resolve() / "broker"


@lru_cache(maxsize=4)
def _redis(url: str) -> Redis:
    return Redis.from_url(
        url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0)
    )


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
