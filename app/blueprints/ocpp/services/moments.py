"""A charger's clock: its timestamps, read as kindly as they can be, and what is odd about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

# Before this no charger of this protocol existed: its clock is not set.
EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
# Beyond these, a time cannot be shown in every zone.
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Moment(NamedTuple):
    """A time by the charger's clock. ``odd``: no_clock, clock_ahead, clock_unset (flags), or empty."""

    at: datetime
    odd: str = ""


def read_moment(text: object, now: datetime) -> Moment:
    """Read ISO 8601; without a zone it is UTC. What cannot be read is ``now``, flagged."""
    if not isinstance(text, str):
        return Moment(now, "no_clock")
    try:
        at = datetime.fromisoformat(text.strip().upper())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return Moment(now, "no_clock")
    if at > now + AHEAD:
        return Moment(min(at, LAST), "clock_ahead")
    return Moment(max(at, FIRST), "clock_unset") if at < EPOCH else Moment(at)


def credible(moment: Moment, now: datetime) -> datetime:
    """For an order of events: the charger's time; ours where its clock is plainly wrong, or ahead of ours."""
    return now if moment.odd else min(moment.at, now)
