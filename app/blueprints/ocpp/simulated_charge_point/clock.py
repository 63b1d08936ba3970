"""Time as a simulated charge point needs it: OCPP timestamps, and waits that an event cuts short."""

import asyncio
from datetime import UTC, datetime, timedelta

from ocpp.exceptions import PropertyConstraintViolationError

# Thirty years: an interval from outside may be longer than what a loop's clock can add.
LONGEST_WAIT_S = 1e9


def timestamp(in_s: float = 0) -> str:
    """Now, or in so many seconds, as OCPP writes it: UTC, milliseconds, ``Z``."""
    return (
        (datetime.now(UTC) + timedelta(seconds=in_s))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def parse_time(text: str) -> datetime:
    """Read an OCPP timestamp; without a zone it is UTC. Raises PropertyConstraintViolationError."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PropertyConstraintViolationError(f"{text[:40]} is no timestamp") from error


async def happens(event: asyncio.Event, within_s: float | None) -> bool:
    """Wait for an event, at most so many seconds (None: for ever). Return whether it came."""
    try:
        async with asyncio.timeout(None if within_s is None else min(within_s, LONGEST_WAIT_S)):
            return await event.wait()
    except TimeoutError:
        return False
