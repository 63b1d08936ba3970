"""The clock of the rules, so that tests can hold time still."""

from __future__ import annotations

from datetime import UTC, date, datetime

from babel.dates import get_timezone


def utcnow() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def today(zone: str) -> date:
    """The day that it is in a zone such as ``America/Monterrey``; in the system's where ``zone`` is empty."""
    return day_of(utcnow(), zone)


def day_of(at: datetime, zone: str) -> date:
    """The day that ``at`` was in a zone, as ``today``."""
    return at.astimezone(get_timezone(zone) if zone else None).date()
