"""Counting what somebody may do only so often, where a decorator on a view does not fit."""

from __future__ import annotations

import logging

from limits import RateLimitItem

from app.extensions import limiter

log = logging.getLogger(__name__)


def within(limit: RateLimitItem, *key: str, cost: int = 1) -> bool:
    """Count something and say whether it is within its limit; ``cost=0`` only asks, below 0 takes back.

    Where the counts cannot be reached, everything is: chargers and people come in while Redis is down.
    """
    limits = limiter.limiter
    try:
        return limits.hit(limit, *key, cost=cost) if cost else limits.test(limit, *key)
    except limits.storage.base_exceptions as error:
        log.warning("the limits are away: %s", error)
        return True


def forget(limit: RateLimitItem, *key: str) -> None:
    """Count from nothing again."""
    limits = limiter.limiter
    try:
        limits.clear(limit, *key)
    except limits.storage.base_exceptions as error:
        log.warning("the limits are away: %s", error)
