"""Logging in with a tag alone: how it is counted and refused, for programs and for the page alike."""

from __future__ import annotations

import logging

from flask import current_app, request

from app.blueprints.accounts import identity, throttle
from app.blueprints.accounts.errors import InvalidRfid
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import holders
from app.db import db

log = logging.getLogger(__name__)


def is_offered() -> bool:
    """Whether tags log in here."""
    return bool(current_app.config["RFID_LOGIN"])


def log_in(text: str) -> User:
    """Log a tag's user in, to look around. Raises ``InvalidRfid``, whatever is the matter, or 429."""
    throttle.attempt("tag", text.strip())
    found = holders.find(db.session(), text)
    if found is None or not is_offered() or not identity.enter(found[1], tag=found[0]):
        log.warning("failed login by a tag from %s", request.remote_addr)
        raise InvalidRfid
    throttle.forgive("tag", text.strip())
    return found[1]
