"""The HTTP endpoints of website."""

from app.blueprints import Domain
from app.blueprints.website import models  # noqa: F401

bp = Domain("website", __name__)
