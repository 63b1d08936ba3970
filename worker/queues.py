"""Which task goes to which queue."""

from __future__ import annotations

QUEUES = ("mail", "odoo", "simulators", "maintenance")

ROUTES = {
    "ocpp.purge_*": {"queue": "maintenance"},
    "subscriptions.*": {"queue": "maintenance"},
}


def queue_of(task: str) -> str:
    """The queue of a task, by name."""
    for pattern, route in ROUTES.items():
        if task == pattern or (pattern.endswith("*") and task.startswith(pattern[:-1])):
            return route["queue"]
    return "maintenance"
