"""The work in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from flask import current_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from app import doorbell
from app.db import UnitOfWork
from app.jobs import board, presence
from app.jobs.board import Board
from app.metrics import PREFIX


def collect(work: UnitOfWork) -> Iterator[Metric]:
    """Jobs, queues and processes."""
    waiting = doorbell.waiting()
    found = board.read(work, waiting, current_app.config["TIME_ZONE"])
    yield from _jobs(found)
    depth = GaugeMetricFamily(f"{PREFIX}queue_waiting", "Messages that wait in a queue.", labels=["queue"])
    for queue, count in (waiting or {}).items():
        depth.add_metric([queue], count)
    yield depth
    yield GaugeMetricFamily(
        f"{PREFIX}broker_up", "Whether the broker can tell what waits.", int(waiting is not None)
    )
    alive = GaugeMetricFamily(f"{PREFIX}processes_alive", "Processes that live, by kind.", labels=["kind"])
    for kind in (presence.WEB, presence.WORKER, presence.BEAT):
        alive.add_metric([kind], len(found.alive(kind)))
    yield alive


def _jobs(found: Board) -> Iterator[Metric]:
    runs = CounterMetricFamily(f"{PREFIX}job_runs", "Runs that have ended.", labels=["task", "result"])
    seconds = CounterMetricFamily(f"{PREFIX}job_seconds", "Time that runs have taken.", labels=["task"])
    last = GaugeMetricFamily(f"{PREFIX}job_last_seconds", "Time that the last run took.", labels=["task"])
    success = GaugeMetricFamily(
        f"{PREFIX}job_last_success_timestamp_seconds", "When a run last succeeded.", labels=["task"]
    )
    running = GaugeMetricFamily(f"{PREFIX}job_running", "Whether a run is under way.", labels=["task"])
    late = GaugeMetricFamily(f"{PREFIX}job_late", "Whether it should have run a while ago.", labels=["task"])
    for line in found.lines:
        job = line.job
        runs.add_metric([job.task, "ok"], job.successes)
        runs.add_metric([job.task, "failed"], job.failures)
        seconds.add_metric([job.task], job.total_seconds)
        last.add_metric([job.task], job.seconds)
        if job.succeeded_at is not None:
            success.add_metric([job.task], job.succeeded_at.timestamp())
        running.add_metric([job.task], int(line.running_since is not None))
        late.add_metric([job.task], int(line.is_late))
    yield from (runs, seconds, last, success, running, late)
