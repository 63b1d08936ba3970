"""The HTTP endpoints of chat."""

from app.blueprints import Domain

bp = Domain("chat", __name__)
