"""The HTTP endpoints of ocpp."""

from app.blueprints import Domain
from app.blueprints.ocpp import models  # noqa: F401 - tables

bp = Domain("ocpp", __name__)
