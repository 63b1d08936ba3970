"""Release has no addresses of its own: a command, a page in the administration, and a line for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask
from prometheus_client.core import InfoMetricFamily
from prometheus_client.metrics_core import Metric

from app import metrics, version
from app.blueprints import Domain
from app.blueprints.release import cli
from app.db import UnitOfWork

bp = Domain("release", __name__)


def init_app(app: Flask) -> None:
    """Add the commands, and what runs here to the metrics."""
    cli.init_app(app)
    metrics.register(app, _build)


def _build(_work: UnitOfWork) -> Iterator[Metric]:
    told = {"version": version.__version__, "commit": version.commit()}
    yield InfoMetricFamily(f"{metrics.PREFIX}build", "What runs here.", value=told)
