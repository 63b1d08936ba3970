"""The HTTP endpoints of accounts."""

from app.blueprints import Domain
from app.blueprints.accounts import models  # noqa: F401

bp = Domain("accounts", __name__)
