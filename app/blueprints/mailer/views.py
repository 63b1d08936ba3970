"""The HTTP endpoints of mailer."""

from __future__ import annotations

from app.blueprints import Domain

bp = Domain("mailer", __name__)
