"""A charger's clock: its timestamps, read as kindly as they can be, and what is odd about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

# Before this no charger of this protocol existed: its clock is not set.
EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)


class Moment(NamedTuple):
    """A time by the charger's clock. ``odd`` is a flag's word: no_clock, clock_ahead, clock_unset, or empty."""

    at: datetime
    odd: str = ""


def read_moment(text: object, now: datetime) -> Moment:
    """Read ISO 8601; without a zone it is UTC. What cannot be read is ``now``, flagged."""
    if not isinstance(text, str):
        return Moment(now, "no_clock")
    try:
        at = datetime.fromisoformat(text.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return Moment(now, "no_clock")
    if at > now + AHEAD:
        return Moment(at, "clock_ahead")
    return Moment(at, "clock_unset" if at < EPOCH else "")


def credible(moment: Moment, now: datetime) -> datetime:
    """For an order of events: the charger's time, or ours where its clock is plainly wrong."""
    return now if moment.odd else moment.at
