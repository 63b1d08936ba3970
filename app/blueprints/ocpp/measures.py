"""The charging domain in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from app.blueprints.ocpp.services import alerts
from app.db import UnitOfWork
from app.metrics import PREFIX


def collect(work: UnitOfWork) -> Iterator[Metric]:
    """Open alerts."""
    found = GaugeMetricFamily(f"{PREFIX}alerts_open", "Alerts that are not over, by kind.", labels=["kind"])
    for kind, count in alerts.count_open(work).items():
        found.add_metric([kind], count)
    yield found
