"""The queue of mails in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from app.blueprints.mailer.models import STATES
from app.blueprints.mailer.services import queueing
from app.db import UnitOfWork
from app.metrics import PREFIX


def collect(work: UnitOfWork) -> Iterator[Metric]:
    """How many mails are in each state, until they are purged."""
    found = GaugeMetricFamily(f"{PREFIX}mails", "Mails in the queue, by state.", labels=["state"])
    counts = queueing.count_by_state(work)
    for state in STATES:
        found.add_metric([state], counts.get(state, 0))
    yield found
