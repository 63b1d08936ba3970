"""How often somebody may try to prove who they are: counted per network address and per name."""

from __future__ import annotations

import ipaddress
import math
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from flask import request
from flask_babel import ngettext
from limits import RateLimitItem, parse, parse_many
from werkzeug.exceptions import TooManyRequests

from app.blueprints.accounts.services import attempts
from app.db import unit_of_work
from app.extensions import limiter
from app.limits import within

# The trail says once in a while that somebody tries too often: it is not to be filled by them.
NOTED = parse("1 per hour")
# No name, email or tag is longer; what comes after is not worth a look.
LONGEST = 300


@dataclass(frozen=True)
class Allowance:
    """How many attempts there are at one purpose, for one address, one name, and a provider's customer."""

    per_address: str
    per_name: str
    # An IPv6 /48: whoever has one has 65,536 addresses of the size of a household.
    per_site: str = "3000 per day"

    def limits(self, name: str) -> Iterator[tuple[RateLimitItem, str]]:
        """Every limit, and what is counted under it."""
        address = request.remote_addr or ""
        counted = (
            (self.per_address, f"from {network(address, 64)}"),
            (self.per_site, f"from around {network(address, 48)}"),
            (self.per_name, f"as {alike(name)}"),
        )
        return ((limit, key) for text, key in counted for limit in parse_many(text))


ALLOWANCES = {
    "login": Allowance(per_address="30 per minute", per_name="10 per minute"),
    # A name is known or guessed, and then its password; a tag is its own password: the day's limit is what
    # keeps somebody from walking through the numbers.
    "tag": Allowance(per_address="30 per minute; 300 per day", per_name="10 per minute"),
    # Each may send a letter.
    "reset": Allowance(per_address="20 per hour", per_name="3 per hour", per_site="200 per hour"),
}


def attempt(purpose: str, name: str) -> None:
    """Count an attempt before it is made, so that a thousand at once are no thousand guesses.

    Raises ``TooManyRequests`` (429), which says when to try again.
    """
    for limit, key in ALLOWANCES[purpose].limits(name):
        if limiter.enabled and not within(limit, purpose, key):
            _note(purpose, key, name)
            raise _refusal(limit, purpose, key)


def forgive(purpose: str, name: str) -> None:
    """Take an attempt back: it succeeded. Those before it that did not stay counted."""
    for limit, key in ALLOWANCES[purpose].limits(name):
        if limiter.enabled:
            within(limit, purpose, key, cost=-1)


def alike(name: str) -> str:
    """One text for all the ways to write a name, in any case and in lookalike letters."""
    plain = unicodedata.normalize("NFKC", name[:LONGEST]).casefold()
    return plain.encode("ascii", "backslashreplace").decode()


def network(address: str, size: int) -> str:
    """An IPv4 address; of an IPv6 address its first ``size`` bits, since nobody has only one of those."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, size), strict=False))
    return str(found)


def _note(purpose: str, key: str, name: str) -> None:
    if within(NOTED, "noted", purpose, key):
        of_name = name if key.startswith("as ") else None
        with unit_of_work() as work:
            attempts.note(work, purpose, of_name, address=request.remote_addr or "")


def _refusal(limit: RateLimitItem, purpose: str, key: str) -> TooManyRequests:
    reset_at = limiter.limiter.get_window_stats(limit, purpose, key).reset_time
    wait_s = max(1, math.ceil(reset_at - time.time()))
    sentence = ngettext(
        "Too many attempts: try again in %(num)d second.",
        "Too many attempts: try again in %(num)d seconds.",
        wait_s,
    )
    return TooManyRequests(sentence, retry_after=wait_s)
