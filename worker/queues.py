"""The queues, and which task goes to which: each task names its own, ``@shared_task(…, queue="mail")``."""

from __future__ import annotations

from typing import Any

from app.queues import QUEUES

__all__ = ["DEFAULT", "QUEUES", "queue_of"]

DEFAULT = "maintenance"


def queue_of(task: Any) -> str:
    """The queue of a task."""
    return str(getattr(task, "queue", None) or DEFAULT)
