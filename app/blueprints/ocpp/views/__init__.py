"""The HTTP endpoints of ocpp: the dashboard, JSON in ``api``, a driver's own in ``my`` and ``my_…``."""

from flask import Flask

from app import metrics
from app.blueprints import Domain
from app.blueprints.ocpp import cli, engine, measures, models, sockets  # noqa: F401 - tables

bp = Domain("ocpp", __name__)

# They hang their views on bp.
from app.blueprints.ocpp.views import (  # noqa: E402
    alerts,  # noqa: F401
    api,  # noqa: F401
    dashboard,  # noqa: F401
    history_api,  # noqa: F401
    labels,  # noqa: F401
    landing,  # noqa: F401
    log,  # noqa: F401
    map,  # noqa: F401
    my,  # noqa: F401
    my_api,  # noqa: F401
    my_files,  # noqa: F401
)


def init_app(app: Flask) -> None:
    """Start the line with the application, and tell what there is to measure."""
    metrics.register(app, measures.line)
    metrics.register(app, measures.open_alerts)
    engine.init_app(app)
    sockets.init_app(app)
    cli.init_app(app)
