"""The HTTP endpoints of odoo."""

from __future__ import annotations

from app.blueprints import Domain

bp = Domain("odoo", __name__)
