"""Transactions that nobody will end: the worker ends them, and a late stop of the charger corrects that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.models import Charger, Connector, Transaction
from app.db import db
from tests.databases import both_databases
from tests.ocpp.rules import Clock, Site, element, iso, sample

DAYS_LONG_AGO = 8


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the rules and of the worker."""
    monkeypatch.setattr("app.blueprints.ocpp.tasks.utcnow", clock)
    return clock


@pytest.fixture
def end_stale(app: Flask, site: Site):
    """The task, on the site's database."""

    def run() -> int:
        with app.app_context():
            ended = int(tasks.end_stale())
            db.session.remove()
            return ended

    return run


def flags(site: Site, id: int) -> list[str]:
    return site.transaction(id).flags.split()


@both_databases
def test_the_transaction_of_a_charger_long_silent_ends_with_its_last_reading(site, clock, end_stale):
    charger, account = site.charger(), site.tag("CAFE")
    id = charger.start("CAFE", meterStart=1000)
    charger.meter(4500, id)
    heard_at = site.one(Charger, id=charger.id).last_seen
    clock.advance(days=6)
    assert end_stale() == 0
    clock.advance(days=2)
    assert end_stale() == 1

    row = site.transaction(id)
    assert (row.meter_stop_wh, row.energy_wh, row.stop_reason) == (4500, 3500, "Other")
    assert row.stopped_at == heard_at
    assert flags(site, id) == ["stale"]
    assert site.spent(account) == 3500
    assert end_stale() == 0


@both_databases
def test_the_chargers_own_stop_comes_late_and_counts(site, clock, end_stale):
    charger, account = site.charger(), site.tag("CAFE")
    id = charger.start("CAFE", meterStart=1000)
    charger.meter(4500, id)
    clock.advance(days=DAYS_LONG_AGO)
    assert end_stale() == 1

    charger.stop(id, 9000)
    row = site.transaction(id)
    assert (row.meter_stop_wh, row.energy_wh, row.stop_reason) == (9000, 8000, "Local")
    assert flags(site, id) == ["was_stale"]
    assert site.spent(account) == 8000
    assert end_stale() == 0


@both_databases
def test_a_charger_that_speaks_keeps_its_transaction_however_long(site, clock, end_stale):
    charger = site.charger()
    site.tag("CAFE")
    id = charger.start("CAFE")
    for _ in range(5):
        clock.advance(days=5)
        charger.ask("Heartbeat")
        assert end_stale() == 0
    assert site.transaction(id).stopped_at is None


def free(charger, clock, connector=1):
    """The connector says that it is free."""
    told = {"connectorId": connector, "status": "Available", "errorCode": "NoError"}
    charger.ask("StatusNotification", told | {"timestamp": iso(clock())})


@both_databases
def test_the_transaction_of_a_connector_long_free_ends(site, clock, end_stale):
    charger, account = site.charger(), site.tag("CAFE")
    id = charger.start("CAFE", timestamp=iso(clock()))
    charger.meter(700, id)
    clock.advance(minutes=5)
    free(charger, clock)
    free_since = site.one(Connector, charger_id=charger.id).since
    clock.advance(minutes=59)
    assert end_stale() == 0
    clock.advance(minutes=2)
    charger.ask("Heartbeat")
    assert end_stale() == 1
    row = site.transaction(id)
    assert (row.meter_stop_wh, row.stopped_at) == (700, free_since)
    assert flags(site, id) == ["stale"]
    assert site.spent(account) == 700


def read(charger, clock, value, id=None):
    payload = {"connectorId": 1, "meterValue": [element([sample(value)], iso(clock()))]}
    charger.ask("MeterValues", payload | ({"transactionId": id} if id else {}))


@both_databases
def test_a_meter_that_stands_still_does_not_keep_a_transaction(site, clock, end_stale):
    """Many chargers tell the register every few minutes, whether anybody charges or not."""
    charger = site.charger()
    site.tag("CAFE")
    id = charger.start("CAFE", timestamp=iso(clock()))
    read(charger, clock, 700, id)
    free(charger, clock)
    for _ in range(5):
        clock.advance(minutes=15)
        read(charger, clock, 700)
    assert end_stale() == 1


@both_databases
def test_a_connector_that_says_free_and_delivers_keeps_its_transaction(site, clock, end_stale):
    """One that starts anew in the midst of charging says so, and goes on."""
    charger = site.charger()
    site.tag("CAFE")
    id = charger.start("CAFE", timestamp=iso(clock()))
    clock.advance(minutes=1)
    free(charger, clock)
    for value in (100, 900, 1700):
        clock.advance(minutes=30)
        read(charger, clock, value, id)
    assert end_stale() == 0
    assert site.transaction(id).stopped_at is None


def test_a_connector_that_was_free_before_the_start_and_never_said_otherwise_charges(site, clock, end_stale):
    charger = site.charger()
    site.tag("CAFE")
    free(charger, clock)
    clock.advance(minutes=1)
    charger.start("CAFE", timestamp=iso(clock()))
    clock.advance(hours=5)
    charger.ask("Heartbeat")
    assert end_stale() == 0


def test_only_the_free_connectors_transaction_ends(site, clock, end_stale):
    charger = site.charger()
    site.tag("CAFE")
    site.tag("BEEF")
    first = charger.start("CAFE", timestamp=iso(clock()))
    second = charger.start("BEEF", connectorId=2, timestamp=iso(clock()))
    clock.advance(minutes=1)
    free(charger, clock, connector=2)
    clock.advance(hours=2)
    charger.ask("Heartbeat")
    assert end_stale() == 1
    assert site.transaction(first).stopped_at is None
    assert site.transaction(second).stopped_at is not None


@both_databases
def test_a_stop_that_comes_while_the_task_looks_wins(site, clock, end_stale, monkeypatch):
    charger = site.charger()
    site.tag("CAFE")
    id = charger.start("CAFE")
    clock.advance(days=DAYS_LONG_AGO)
    looked = tasks.stale.of_silent_chargers

    def look(work, before):
        found = looked(work, before)
        work.rollback()
        charger.stop(id, 42)
        return found

    monkeypatch.setattr(tasks.stale, "of_silent_chargers", look)
    assert end_stale() == 0
    assert (site.transaction(id).meter_stop_wh, flags(site, id)) == (42, [])


def test_a_transaction_that_begins_after_its_charger_was_heard_of_ends_not_before_it_began(
    site, clock, end_stale
):
    charger = site.charger()
    later = datetime.now(UTC) + timedelta(hours=3)
    site.add(
        Transaction(
            charger_id=charger.id, connector_id=1, id_tag="X", meter_start_wh=5, started_at=later,
            received_at=datetime.now(UTC),
        )
    )  # fmt: skip
    site.change(Charger, charger.id, last_seen=datetime.now(UTC))
    clock.advance(days=DAYS_LONG_AGO)
    assert end_stale() == 1
    row = site.all(Transaction)[0]
    assert row.stopped_at == row.started_at
    assert row.flags == "stale"


@pytest.mark.parametrize("overrides", [{"STALE_TRANSACTION_DAYS": 1}])
def test_how_long_is_a_setting(site, clock, end_stale):
    charger = site.charger()
    site.tag("CAFE")
    charger.start("CAFE")
    clock.advance(hours=25)
    assert end_stale() == 1


def test_many_are_ended_in_short_pieces(site, clock, end_stale, monkeypatch):
    monkeypatch.setattr(tasks.stale, "PIECE", 3)
    for number in range(10):
        site.tag(f"T{number}")
        site.charger(f"CP{number}").start(f"T{number}")
    clock.advance(days=DAYS_LONG_AGO)
    assert end_stale() == 10
