"""When a job runs on its own: schedules as the database keeps them, and the times that follow from them.

``17 */6 * * *`` is a crontab, with hours and days of the site's zone; ``60`` is seconds from run to run.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from celery.schedules import crontab
from tzlocal import get_localzone

# A 29 February on a certain day of the week comes round in forty years at the latest.
FURTHEST_DAYS = 366 * 40


def as_text(schedule: Any) -> str:
    """A schedule as ``worker/schedule.py`` has it: a crontab, seconds, or a timedelta."""
    if isinstance(schedule, crontab):
        return " ".join(
            _field(field)
            for field in (
                schedule._orig_minute, schedule._orig_hour, schedule._orig_day_of_month,
                schedule._orig_month_of_year, schedule._orig_day_of_week,
            )
        )  # fmt: skip
    every = getattr(schedule, "run_every", schedule)
    seconds = every.total_seconds() if isinstance(every, timedelta) else float(every)
    return f"{seconds:g}"


def next_after(schedule: str, after: datetime, zone: str) -> datetime:
    """The first time after ``after`` at which a job is due. ``zone``: as TIME_ZONE; empty is the system's."""
    if " " not in schedule:
        return after + timedelta(seconds=float(schedule))
    cron = _cron(schedule)
    # Every hour is every hour, also where a zone turns its clocks back: then only minutes count.
    zoned = _zone("UTC" if _every_hour(cron) else zone)
    local = after.astimezone(zoned)
    for days in range(FURTHEST_DAYS):
        day = local.date() + timedelta(days=days)
        if _matches(cron, day) and (found := _first(cron, day, zoned, after)) is not None:
            return found
    raise ValueError(f"no day fits the schedule {schedule!r}")


def _first(cron: crontab, day: date, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first of a day's times that comes after."""
    for hour in sorted(cron.hour):
        # Any minute of this hour may come after: when its last one does.
        if datetime.combine(day, time(hour, max(cron.minute)), zone).astimezone(UTC) <= after:
            continue
        for minute in sorted(cron.minute):
            found = datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
            if found > after:
                return found
    return None


def _every_hour(cron: crontab) -> bool:
    fields = (cron.hour, cron.day_of_week, cron.day_of_month, cron.month_of_year)
    return [len(field) for field in fields] == [24, 7, 31, 12]


def _matches(cron: crontab, day: date) -> bool:
    return (
        day.month in cron.month_of_year
        and day.day in cron.day_of_month
        and day.isoweekday() % 7 in cron.day_of_week
    )


def _field(field: Any) -> str:
    return str(field) if isinstance(field, str | int) else ",".join(map(str, sorted(field)))


@lru_cache
def _cron(text: str) -> crontab:
    return crontab.from_string(text)


@lru_cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name) if name else ZoneInfo(str(get_localzone()))
