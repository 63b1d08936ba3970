"""The charging domain in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from flask import current_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from app.blueprints.ocpp.engine import Engine
from app.blueprints.ocpp.services import alerts
from app.blueprints.ocpp.tally import SECONDS, SIZES, Key
from app.db import UnitOfWork
from app.metrics import PREFIX


def line(_work: UnitOfWork) -> Iterator[Metric]:
    """Chargers, messages, batches and commands, of all processes."""
    engine: Engine = current_app.extensions["ocpp"]
    counts, waiting = engine.tally.read()
    connected = len(engine.dispatcher.presence())
    yield GaugeMetricFamily(f"{PREFIX}chargers_connected", "Chargers with an open socket.", connected)
    yield GaugeMetricFamily(f"{PREFIX}journal_waiting", "Messages that wait for their batch.", waiting)
    yield _counter("messages", "Messages of chargers, by the code of the error.", "message", counts)
    yield _counter("commands", "Commands to chargers, by what became of them.", "command", counts)
    size = f"{PREFIX}batch_operations", "Messages and the like that were stored in one commit."
    yield _histogram(*size, SIZES, "batch size", counts, counts.get(("batched",), 0))
    seconds = f"{PREFIX}batch_seconds", "Time from taking a batch to its durable commit."
    yield _histogram(*seconds, SECONDS, "batch time", counts, counts.get(("batch us",), 0) / 1_000_000)


def open_alerts(work: UnitOfWork) -> Iterator[Metric]:
    """Open alerts."""
    found = GaugeMetricFamily(f"{PREFIX}alerts_open", "Alerts that are not over, by kind.", labels=["kind"])
    for kind, count in alerts.count_open(work).items():
        found.add_metric([kind], count)
    yield found


def _counter(name: str, text: str, counted: str, counts: Mapping[Key, int]) -> Metric:
    found = CounterMetricFamily(f"{PREFIX}{name}", text, labels=["action", "result"])
    for key, count in sorted(counts.items(), key=str):
        if key[0] == counted:
            found.add_metric([str(key[1]), str(key[2])], count)
    return found


def _histogram(
    name: str, text: str, bounds: Sequence[float], counted: str, counts: Mapping[Key, int], total: float
) -> Metric:
    found, buckets, below = HistogramMetricFamily(name, text), [], 0
    for index, bound in enumerate((*map(str, bounds), "+Inf")):
        below += counts.get((counted, index), 0)
        buckets.append((bound, below))
    found.add_metric([], buckets, total)
    return found
