"""How often somebody may try to prove who they are: counted per network address and per name."""

from __future__ import annotations

import ipaddress
import math
import time

from flask import request
from flask_babel import ngettext
from limits import RateLimitItem, parse
from werkzeug.exceptions import TooManyRequests

from app.extensions import limiter
from app.limits import within

PER_ADDRESS = parse("30 per minute")
PER_NAME = parse("10 per minute")


def attempt(purpose: str, name: str) -> None:
    """Count an attempt before it is made, so that a thousand at once are no thousand guesses.

    Raises ``TooManyRequests`` (429), which says when to try again.
    """
    for limit, key in _limits(name):
        if limiter.enabled and not within(limit, purpose, key):
            raise _refusal(limit, purpose, key)


def forgive(purpose: str, name: str) -> None:
    """Take an attempt back: it succeeded."""
    for limit, key in _limits(name):
        if limiter.enabled:
            within(limit, purpose, key, cost=-1)


def _limits(name: str) -> list[tuple[RateLimitItem, str]]:
    return [(PER_ADDRESS, f"from {_network()}"), (PER_NAME, f"as {name[:150].casefold()}")]


def _network() -> str:
    """The visitor's address; a household has 2⁶⁴ IPv6 addresses, so those count by their /64."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return str(request.remote_addr)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _refusal(limit: RateLimitItem, purpose: str, key: str) -> TooManyRequests:
    reset_at = limiter.limiter.get_window_stats(limit, purpose, key).reset_time
    wait_s = max(1, math.ceil(reset_at - time.time()))
    sentence = ngettext(
        "Too many attempts: try again in %(num)d second.",
        "Too many attempts: try again in %(num)d seconds.",
        wait_s,
    )
    return TooManyRequests(sentence, retry_after=wait_s)
