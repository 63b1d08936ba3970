"""What Prometheus reads: numbers that hold for the whole installation, whichever process is asked.

They come from the database and the broker when asked. A domain adds its own from its ``init_app``:
``metrics.register(app, collect)``, where ``collect(work)`` yields metrics of ``prometheus_client.core``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from flask import Flask, current_app
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.db import UnitOfWork, db

log = logging.getLogger(__name__)

PREFIX = "constellation_"
# What every Prometheus understands.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

Collect = Callable[[UnitOfWork], Iterable[Metric]]


def register(app: Flask, collect: Collect) -> None:
    """Add metrics."""
    app.extensions.setdefault("metrics", []).append(collect)


def text() -> bytes:
    """All metrics, as Prometheus reads them."""
    return generate_latest(_Now())


class _Now(Collector):
    """The registry of one request."""

    def collect(self) -> Iterator[Metric]:
        """What each domain tells; where the database is away, the rest, and that it is."""
        is_up = True
        for collect in current_app.extensions.get("metrics", ()):
            try:
                yield from list(collect(db.session()))
            except SQLAlchemyError as error:
                db.session.rollback()
                log.error("metrics cannot be read: %s", error)
                is_up = False
        yield GaugeMetricFamily(f"{PREFIX}database_up", "Whether the database answers.", int(is_up))
