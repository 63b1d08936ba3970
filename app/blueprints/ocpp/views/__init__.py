"""The HTTP endpoints of ocpp: the dashboard, JSON in ``api``, a driver's own in ``my`` and ``my_…``."""

from flask import Flask

from app import metrics
from app.blueprints import Domain
from app.blueprints.ocpp import cli, engine, measures, models, sockets  # noqa: F401 - tables

bp = Domain("ocpp", __name__)

# They hang their views on bp.
from app.blueprints.ocpp.views import (  # noqa: E402, F401
    alerts,
    api,
    charger_page,
    command,
    dashboard,
    history_api,
    labels,
    landing,
    log,
    map,
    my,
    my_api,
    my_files,
)


def init_app(app: Flask) -> None:
    """Start the line with the application, and tell what there is to measure."""
    metrics.register(app, measures.line)
    metrics.register(app, measures.open_alerts)
    engine.init_app(app)
    sockets.init_app(app)
    cli.init_app(app)
