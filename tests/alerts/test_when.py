"""Alerts: chargers that fall silent or report a fault, disks that fill up; when they begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import disk
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import alerts
from app.db import unit_of_work
from tests.alerts.rows import rows, silent
from tests.databases import both_databases
from tests.factories import ChargerFactory, ConnectorFactory

# Silence


@both_databases
def test_a_charger_that_falls_silent_is_told_of_once_and_until_it_is_back(work, place):
    charger, other = (
        ChargerFactory(charger_id="CP1", last_seen=place.now),
        ChargerFactory(last_seen=place.now),
    )
    work.commit()
    for _ in range(4):
        place.pass_time(5)
        place.hear(other)
    (alert,) = rows(work)
    assert (alert.kind, alert.charger_id, alert.ended_at) == ("silent", charger.id, None)
    assert alert.since == datetime(2026, 1, 31, 12, tzinfo=UTC)
    (letter,) = place.letters
    assert (letter.to, letter.template) == ("boss@example.com", "alert")
    assert "CP1 has not been heard of since" in letter.context["alerts"]

    place.pass_time(200)
    assert [alert.key for alert in rows(work) if alert.charger_id == charger.id] == [f"silent:{charger.id}"]
    place.hear(charger)
    place.pass_time(1)
    alert = next(row for row in rows(work) if row.charger_id == charger.id)
    assert alert.ended_at == place.now


def test_a_charger_that_never_came_is_blocked_or_rejected_is_not_silent(work, place):
    ChargerFactory(last_seen=None)
    ChargerFactory(last_seen=place.now, blocked=True)
    ChargerFactory(last_seen=place.now, registration_status="Rejected")
    work.commit()
    place.pass_time(30)
    assert rows(work) == []
    assert place.letters == []


def test_the_alert_of_a_charger_that_is_blocked_ends(work, place):
    charger = ChargerFactory(last_seen=place.now)
    work.commit()
    place.pass_time(20)
    with unit_of_work() as writing:
        writing.get(Charger, charger.id).blocked = True
    place.pass_time(1)
    assert rows(work)[0].ended_at is not None


@both_databases
def test_after_a_restart_chargers_have_time_to_come_back_and_go_into_one_mail(work, place):
    crowd = ChargerFactory.create_batch(120, last_seen=place.now)
    work.commit()
    place.pass_time(90, listening=False)  # the whole server is down
    place.listen()
    place.pass_time(10)
    assert rows(work) == []
    place.hear(*crowd[:40])
    place.pass_time(10)
    assert len(rows(work)) == 80
    (letter,) = place.letters
    assert letter.context["count"] == "80"
    assert letter.context["alerts"].count("\n") == 50
    assert letter.context["alerts"].endswith("- and 30 more")


def test_without_a_web_process_nobody_is_judged(work, place):
    ChargerFactory(last_seen=place.now)
    work.commit()
    place.now += timedelta(hours=2)
    tasks.check_chargers()
    assert rows(work) == []


def test_an_alert_ends_although_nobody_may_be_judged_yet(work, place):
    charger = ChargerFactory(last_seen=place.now)
    work.commit()
    place.pass_time(20)
    place.pass_time(60, listening=False)
    place.hear(charger)
    place.pass_time(1)
    assert rows(work)[0].ended_at is not None


def test_a_charger_that_flaps_is_one_event_and_one_mail_an_hour(work, place):
    charger = ChargerFactory(last_seen=place.now)
    work.commit()
    for _ in range(6):
        place.pass_time(20)
        place.hear(charger)
        place.pass_time(2)
    (alert,) = rows(work)
    assert alert.times == 6
    assert len(place.letters) == 2  # in 132 minutes


@pytest.mark.parametrize("overrides", [{"SILENT_AFTER_MINUTES": 60}])
def test_how_long_silence_may_last_is_a_setting(work, place):
    ChargerFactory(last_seen=place.now)
    work.commit()
    place.pass_time(59)
    assert rows(work) == []
    place.pass_time(2)
    assert len(rows(work)) == 1


# Faults


@both_databases
def test_a_fault_is_told_of_when_it_lasts(work, place):
    connector = ConnectorFactory(charger__charger_id="CP1", charger__name="Gate", connector_id=2)
    work.commit()
    place.report(connector, "Faulted", "GroundFailure", info="relay <3>", vendor_error_code="E7")
    place.pass_time(1)
    (alert,) = rows(work)
    assert (alert.kind, alert.connector_id) == ("fault", 2)
    assert alert.detail == "GroundFailure · E7 · relay <3>"
    assert place.letters == []
    place.pass_time(3)
    (letter,) = place.letters
    assert "Gate (CP1), connector 2, reports a fault since" in letter.context["first"]
    assert "GroundFailure" in letter.context["first"]

    place.report(connector, "Available")
    place.pass_time(1)
    assert rows(work)[0].ended_at == place.now


def test_a_fault_that_passes_by_itself_is_remembered_and_not_mailed(work, place):
    connector = ConnectorFactory()
    work.commit()
    place.report(connector, "Faulted", "InternalError")
    place.pass_time(1)
    place.report(connector, "Available")
    place.pass_time(60)
    assert len(rows(work)) == 1
    assert place.letters == []


def test_a_fault_that_changes_its_code_is_the_same_event(work, place):
    connector = ConnectorFactory()
    work.commit()
    place.report(connector, "Faulted", "InternalError")
    place.pass_time(1)
    place.report(connector, "Faulted", "OverCurrentFailure")
    place.pass_time(1)
    (alert,) = rows(work)
    assert alert.detail == "OverCurrentFailure"


def test_the_charger_as_a_whole_may_be_faulty(work, place):
    connector = ConnectorFactory(charger__charger_id="CP1", connector_id=0)
    work.commit()
    place.report(connector, "Faulted", "NoError")
    place.pass_time(4)
    assert "CP1 reports a fault since" in place.letters[0].context["first"]
    assert place.letters[0].context["first"].endswith(": Faulted")


# Disks


@both_databases
def test_little_room_on_a_disk_is_an_alert_until_there_is_more(app, work, place, monkeypatch):
    assert "free" in tasks.check_disk()
    assert rows(work) == []
    monkeypatch.setattr(disk, "LOW_SHARE", 2.0)
    tasks.check_disk()
    tasks.check_disk()
    (alert,) = rows(work)
    assert alert.kind == "disk"
    assert app.config["INSTANCE_PATH"] in alert.detail
    place.pass_time(1)
    assert "little room is left on a disk" in place.letters[0].context["alerts"]
    monkeypatch.undo()
    tasks.check_disk()
    assert rows(work)[0].ended_at is not None


def test_room_is_low_by_share_or_by_bytes():
    gib = 1024**3
    assert disk.Room("/", 4 * gib, 100 * gib).is_low
    assert not disk.Room("/", 6 * gib, 100 * gib).is_low
    assert disk.Room("/", 400 * 1024**2, 1 * gib).is_low


# Upkeep


@both_databases
def test_ten_thousand_chargers_fall_silent_in_short_transactions(work, place, monkeypatch):
    monkeypatch.setattr(alerts, "PIECE", 50)
    ChargerFactory.create_batch(130, last_seen=place.now)
    work.commit()
    place.pass_time(16)
    assert len(rows(work)) == 130
    tasks.check_chargers()
    assert len(rows(work)) == 130


@both_databases
def test_old_alerts_and_dead_processes_are_swept(work, place):
    charger = silent(work, place)
    place.hear(charger)
    place.pass_time(1)
    assert tasks.sweep() == "0 processes, 0 of the bus, 0 alerts"
    place.now += alerts.KEPT + timedelta(days=1)
    assert tasks.sweep() == "1 processes, 0 of the bus, 1 alerts"
    assert rows(work) == []
