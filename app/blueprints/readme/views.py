"""The HTTP endpoints of readme."""

from app.blueprints import Domain

bp = Domain("readme", __name__)
