"""The days on which subscriptions are renewed, and the task that renews them."""

from __future__ import annotations

import runpy
import threading
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import clock
from app.blueprints.subscriptions import services
from app.blueprints.subscriptions.models import Product, Subscription
from app.blueprints.subscriptions.tasks import renew_due
from app.config import ROOT
from app.db import db
from tests.databases import both_databases
from tests.factories import AccountFactory, ProductFactory, SubscriptionFactory


@pytest.fixture
def at(monkeypatch):
    """Set the clock: ``at("2026-01-31T02:00")``, in UTC."""

    def hold(moment):
        monkeypatch.setattr(clock, "utcnow", lambda: datetime.fromisoformat(moment).replace(tzinfo=UTC))

    return hold


@pytest.mark.parametrize(
    ("start", "period_days", "renewal"),
    [
        ("2026-01-31", 30, "2026-03-02"),
        ("2026-01-31", 28, "2026-02-28"),
        ("2024-01-31", 29, "2024-02-29"),
        ("2024-02-29", 365, "2025-02-28"),
        ("2024-02-29", 366, "2025-03-01"),
        ("2024-02-28", 1, "2024-02-29"),
        ("2026-02-28", 1, "2026-03-01"),
        ("2026-12-31", 1, "2027-01-01"),
        ("2100-02-28", 1, "2100-03-01"),  # no leap year, though a multiple of four
        ("2026-01-01", 36_500, "2125-12-08"),
    ],
)
def test_the_first_renewal_is_a_period_after_the_start(work, start, period_days, renewal):
    product = ProductFactory(renewal_period=period_days)

    row = services.subscribe(work, AccountFactory(), product, date.fromisoformat(start))

    assert row.next_renewal == date.fromisoformat(renewal)


@pytest.mark.parametrize(
    ("due", "today", "renewal"),
    [
        ("2026-01-31", "2026-01-30", "2026-01-31"),  # not yet
        ("2026-01-31", "2026-01-31", "2026-03-02"),
        ("2026-01-31", "2026-02-28", "2026-03-02"),
        ("2026-01-31", "2026-03-01", "2026-03-02"),
        ("2026-01-31", "2026-03-02", "2026-04-01"),  # two at once, to the day that it would have anyway
        ("2024-01-30", "2024-02-29", "2024-03-30"),
        ("2016-01-01", "2026-01-01", "2026-01-08"),  # ten years without a worker
    ],
)
def test_a_renewal_leads_beyond_today_by_whole_periods(work, due, today, renewal):
    row = SubscriptionFactory(start_date=date(2000, 1, 1), next_renewal=date.fromisoformat(due))

    row.renew(date.fromisoformat(today))

    assert row.next_renewal == date.fromisoformat(renewal)


def test_however_late_the_renewals_the_days_are_the_same(work):
    daily, late = (
        SubscriptionFactory(product__renewal_period=31, start_date=date(2024, 1, 31)) for _ in range(2)
    )
    for day in range(1500):
        daily.renew(date(2024, 1, 31) + timedelta(days=day))
    late.renew(date(2024, 1, 31) + timedelta(days=1499))

    assert daily.next_renewal == late.next_renewal
    assert (late.next_renewal - late.start_date).days % 31 == 0


def test_a_changed_period_counts_from_the_next_renewal_on(work):
    row = SubscriptionFactory(start_date=date(2026, 1, 1))

    row.product.renewal_period = 7
    row.renew(date(2026, 2, 1))

    assert row.next_renewal == date(2026, 1, 31) + timedelta(days=7)


@both_databases
def test_the_task_renews_what_is_due_and_nothing_else(work, at):
    due, overdue = (
        SubscriptionFactory(start_date=date(2026, 1, 1)),
        SubscriptionFactory(start_date=date(2020, 1, 1)),
    )
    later = SubscriptionFactory(start_date=date(2026, 1, 2))
    work.commit()
    at("2026-01-31T12:00")

    assert renew_due() == 2

    assert due.next_renewal == date(2026, 3, 2)
    assert date(2026, 1, 31) < overdue.next_renewal <= date(2026, 3, 2)
    assert later.next_renewal == date(2026, 2, 1)


@both_databases
def test_the_task_may_run_twice(work, at):
    row = SubscriptionFactory(start_date=date(2026, 1, 1))
    work.commit()
    at("2026-01-31T12:00")

    assert (renew_due(), renew_due()) == (1, 0)
    assert row.next_renewal == date(2026, 3, 2)


@both_databases
def test_two_runs_at_once_renew_nothing_twice(app, work, at, monkeypatch):
    monkeypatch.setattr(services, "PIECE", 3)
    product = ProductFactory()
    for number in range(20):
        SubscriptionFactory(product=product, start_date=date(2025, 12, 1) + timedelta(days=number))
    work.commit()
    at("2026-01-31T12:00")
    renewed, ready = [], threading.Barrier(3)

    def run():
        with app.app_context():
            ready.wait()
            renewed.append(renew_due())

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(renewed) + renew_due() == 20
    rows = work.scalars(select(Subscription).execution_options(populate_existing=True)).all()
    assert all(date(2026, 1, 31) < row.next_renewal <= date(2026, 3, 2) for row in rows)


@both_databases
def test_a_renewal_leaves_to_another_run_what_that_is_renewing(app, work, database):
    SubscriptionFactory(start_date=date(2026, 1, 1))
    work.commit()

    assert len(services.renew_piece(work, date(2026, 1, 31))) == 1
    if work.get_bind().dialect.name == "postgresql":
        with app.app_context():
            assert len(services.renew_piece(db.session(), date(2026, 1, 31))) == 0
            db.session.rollback()


def test_the_task_works_in_pieces(work, at, monkeypatch):
    monkeypatch.setattr(services, "PIECE", 2)
    product = ProductFactory()
    SubscriptionFactory.create_batch(4, product=product)
    work.commit()
    at("2026-02-01T12:00")

    assert renew_due() == 4


@pytest.mark.parametrize(
    ("overrides", "renewed"),
    [
        ({"TIME_ZONE": "America/Monterrey"}, 0),
        ({"TIME_ZONE": "UTC"}, 1),
        ({"TIME_ZONE": "Asia/Kathmandu"}, 1),
    ],
)
def test_a_day_begins_where_the_site_is(work, at, renewed):
    SubscriptionFactory(start_date=date(2026, 1, 1))
    work.commit()
    at("2026-01-31T02:00")

    assert renew_due() == renewed


def test_today_is_a_day_of_the_zone(at):
    at("2026-03-01T04:00")

    assert clock.today("America/Monterrey") == date(2026, 2, 28)
    assert clock.today("UTC") == clock.today("Asia/Tokyo") == date(2026, 3, 1)
    at("2024-02-28T18:30")
    assert clock.today("Asia/Kathmandu") == date(2024, 2, 29)


def test_without_a_zone_today_is_the_systems(at):
    at("2026-03-01T04:00")

    offset = datetime(2026, 3, 1, 4, tzinfo=UTC).astimezone().utcoffset()
    assert clock.today("") == datetime(2026, 3, 1, 4, tzinfo=UTC).astimezone(timezone(offset)).date()


def test_the_task_is_on_the_schedule_and_in_its_queue():
    # Not by import: the worker package starts an application of its own.
    schedule = runpy.run_path(str(ROOT / "worker" / "schedule.py"))["SCHEDULE"]
    queue_of = runpy.run_path(str(ROOT / "worker" / "queues.py"))["queue_of"]

    assert renew_due.name in {entry["task"] for entry in schedule.values()}
    assert queue_of(renew_due.name) == "maintenance"


@pytest.mark.parametrize("period_days", [0, -1, 36_501])
@both_databases
def test_a_period_that_leads_nowhere_cannot_be_stored(work, period_days):
    work.add(Product(name="x", renewal_period=period_days))

    with pytest.raises(IntegrityError):
        work.flush()


@both_databases
def test_a_renewal_before_the_start_cannot_be_stored(work):
    row = SubscriptionFactory()
    row.next_renewal = row.start_date

    with pytest.raises(IntegrityError):
        work.flush()
