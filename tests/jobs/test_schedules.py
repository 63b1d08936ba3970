"""When a job is due next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import crontab, schedule

from app.jobs import schedules


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (crontab(minute="17", hour="*/6"), "17 */6 * * *"),
        (crontab(minute=7), "7 * * * *"),
        (crontab(minute=0, hour=[1, 13], day_of_week="mon-fri"), "0 1,13 * * mon-fri"),
        (crontab(), "* * * * *"),
        (60, "60"),
        (30.5, "30.5"),
        (timedelta(minutes=5), "300"),
        (schedule(timedelta(seconds=90)), "90"),
    ],
)
def test_a_schedule_is_kept_as_text(written, text):
    assert schedules.as_text(written) == text


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        ("17 */6 * * *", "2026-01-31T05:00", "2026-01-31T06:17"),
        ("17 */6 * * *", "2026-01-31T18:17", "2026-02-01T00:17"),
        ("* * * * *", "2026-12-31T23:59:30", "2027-01-01T00:00"),
        ("* * * * *", "2026-12-31T23:59:00", "2027-01-01T00:00"),
        ("*/15 8-9 * * *", "2026-01-31T09:45", "2026-02-01T08:00"),
        ("0 3 * * sun", "2026-01-31T12:00", "2026-02-01T03:00"),
        ("0 3 29 2 *", "2026-01-01T00:00", "2028-02-29T03:00"),
        ("60", "2026-01-31T23:59:30", "2026-02-01T00:00:30"),
    ],
)
def test_the_next_time_comes_after(text, after, due):
    assert schedules.next_after(text, at(after), "UTC") == at(due)


@pytest.mark.parametrize(
    ("zone", "after", "due"),
    [
        ("America/Monterrey", "2026-06-01T00:00", "2026-06-01T09:30"),
        ("Asia/Kathmandu", "2026-06-01T00:00", "2026-06-01T21:45"),
        # Madrid skips from two to three on 29 March, and lives through two to three twice on 25 October.
        ("Europe/Madrid", "2026-03-28T12:00", "2026-03-29T01:30"),
        ("Europe/Madrid", "2026-10-25T00:30", "2026-10-25T02:30"),
    ],
)
def test_hours_are_those_of_the_site(zone, after, due):
    assert schedules.next_after("30 3 * * *", at(after), zone) == at(due)


def test_what_runs_every_few_minutes_does_not_stop_while_an_hour_is_repeated():
    moment, end = at("2026-10-24T22:00"), at("2026-10-25T04:00")
    while moment < end:
        due = schedules.next_after("*/5 * * * *", moment, "Europe/Madrid")
        assert due - moment == timedelta(minutes=5)
        moment = due


def test_a_day_that_never_comes_is_an_error():
    with pytest.raises(ValueError, match="never occurs"):
        schedules.next_after("0 0 31 2 *", at("2026-01-01T00:00"), "UTC")


def test_looking_is_cheap():
    began = datetime.now(UTC)
    for minutes in range(500):
        schedules.next_after("59 23 * * *", at("2026-01-01T00:00") + timedelta(minutes=minutes), "UTC")
    assert datetime.now(UTC) - began < timedelta(seconds=1)
