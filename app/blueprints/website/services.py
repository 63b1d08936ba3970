"""What the website can tell: which label serves which host, and whether this installation is well."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from redis import Redis, RedisError
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from app.blueprints.website.models import Site

log = logging.getLogger(__name__)

# Seconds that Redis may take to answer a ping.
PING_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Health:
    """What answers and what does not."""

    database: bool
    broker: bool
    disk: bool = True

    @property
    def is_ok(self) -> bool:
        """Whether everything answers, and can be stored."""
        return self.database and self.broker and self.disk

    def as_json(self) -> dict[str, str]:
        """For monitors: one word each, and a sentence when something is wrong."""
        answers = {"database": self.database, "broker": self.broker}
        body = {name: "ok" if is_up else "down" for name, is_up in answers.items()}
        body["disk"] = "ok" if self.disk else "full"
        if self.is_ok:
            return {"status": "ok", **body}
        down = " and ".join(name for name, is_up in answers.items() if not is_up)
        wrong = ["disk full"] * (not self.disk) + [f"no answer: {down}"] * bool(down)
        return {"status": "down", **body, "detail": "; ".join(wrong)}


def site_labels(engine: Engine) -> Mapping[str, str] | None:
    """Host name → label, of every Site row; None while the database cannot tell."""
    try:
        # A connection of its own: a socket's request must not keep the session's for its whole life.
        with engine.connect() as connection:
            return {domain: label for domain, label in connection.execute(select(Site.domain, Site.label))}
    except SQLAlchemyError as error:
        log.warning("the site map cannot be read: %s", type(error).__name__)
        return None


def health(engine: Engine, redis_url: str, instance_path: str, *, disk_is_full: bool = False) -> Health:
    """Ask the database for a row and the broker for a sign of life. Without Redis, the broker is a folder."""
    broker = _redis_answers(redis_url) if redis_url else _is_usable(instance_path)
    return Health(_database_answers(engine), broker, not disk_is_full)


def _database_answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(select(Site.id).limit(1)).all()
    except SQLAlchemyError as error:
        log.error("the database does not answer: %s", error)
        return False
    return True


def _redis_answers(url: str) -> bool:
    try:
        return bool(_redis(url).ping())
    except (RedisError, ValueError) as error:
        log.error("Redis does not answer: %s", error)
        return False


@cache
def _redis(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=PING_TIMEOUT_S, socket_connect_timeout=PING_TIMEOUT_S)


def _is_usable(folder: str) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)
