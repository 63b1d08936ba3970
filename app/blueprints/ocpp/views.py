"""The HTTP endpoints of ocpp: pages in ``pages``, JSON in ``api``."""

from flask import Flask

from app import metrics
from app.blueprints import Domain
from app.blueprints.ocpp import cli, engine, measures, models, sockets  # noqa: F401 - tables

bp = Domain("ocpp", __name__)

from app.blueprints.ocpp import alert_pages, api, pages  # noqa: E402, F401 - they hang their views on bp


def init_app(app: Flask) -> None:
    """Start the line with the application, and tell what there is to measure."""
    metrics.register(app, measures.collect)
    engine.init_app(app)
    sockets.init_app(app)
    cli.init_app(app)
