"""Alerts: chargers that fall silent or report a fault, disks that fill up; when, how often, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app import disk, mail
from app.blueprints.accounts.models import AuditEntry
from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.models import Alert, Charger
from app.blueprints.ocpp.services import alerts
from app.db import db, unit_of_work
from app.domain_error import DomainError
from app.jobs import presence
from tests.accounts.screens import messages
from tests.databases import both_databases
from tests.factories import ChargerFactory, ConnectorFactory, UserFactory


class Installation:
    """A site whose clock can be moved, whose web process lives, and whose letters are collected."""

    def __init__(self, monkeypatch):
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.web = presence.Me(presence.WEB)
        self.letters = []
        for module in ("app.blueprints.ocpp.tasks", "app.jobs.presence", "app.blueprints.ocpp.admin.alerts"):
            monkeypatch.setattr(f"{module}.utcnow", lambda: self.now)
        monkeypatch.setattr(mail, "queue", self._queue)
        monkeypatch.setattr(presence, "DEAD_AFTER_S", 601.0)  # it says that it lives in longer steps here

    def _queue(self, work, letter):
        if "@" not in letter.to:
            raise DomainError("this is no address")
        self.letters.append(letter)
        return len(self.letters)

    def listen(self):
        """The web process says that it lives."""
        with unit_of_work() as work:
            presence.tell(work, self.web)

    def pass_time(self, minutes, listening=True):
        """Let time pass, looked at now and then and at its end."""
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            self.now = min(end, self.now + timedelta(minutes=1 if minutes < 5 else 8))
            if listening:
                self.listen()
                tasks.check_chargers()

    def hear(self, *chargers):
        """Chargers speak."""
        with unit_of_work() as work:
            for charger in chargers:
                work.get(Charger, charger.id).last_seen = self.now

    def report(self, connector, status, error_code="NoError", **columns):
        with unit_of_work() as work:
            row = work.merge(connector, load=True)
            row.status, row.error_code, row.since = status, error_code, self.now
            for name, value in columns.items():
                setattr(row, name, value)


@pytest.fixture
def token(app):
    """Headers with an API token."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}


@pytest.fixture
def place(app, work, monkeypatch):
    place = Installation(monkeypatch)
    UserFactory(username="boss", email="boss@example.com", is_staff=True)
    work.commit()
    place.listen()
    return place


def rows(work, kind=""):
    work.rollback()
    chosen = select(Alert).order_by(Alert.id).execution_options(populate_existing=True)
    return [row for row in work.scalars(chosen) if kind in ("", row.kind)]


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


# Mail


def silent(work, place, **columns):
    charger = ChargerFactory(last_seen=place.now, **columns)
    work.commit()
    place.pass_time(17)
    return charger


def test_every_active_member_of_staff_with_an_address_is_told_in_their_language(work, place):
    UserFactory(email="jefa@example.com", is_staff=True, language="es")
    UserFactory(email="gone@example.com", is_staff=True, is_active=False)
    UserFactory(email="driver@example.com")
    UserFactory(email="", is_staff=True)
    silent(work, place, charger_id="CP1")
    told = {letter.to: letter for letter in place.letters}
    assert set(told) == {"boss@example.com", "jefa@example.com"}
    assert "has not been heard of since" in told["boss@example.com"].context["alerts"]
    assert "has not been heard of since" not in told["jefa@example.com"].context["alerts"]
    assert "CP1" in told["jefa@example.com"].context["alerts"]
    assert told["jefa@example.com"].language == "es"


@pytest.mark.parametrize("overrides", [{"ALERT_MAIL": "ops@example.com, boss@example.com,, no-address "}])
def test_alerts_go_to_the_addresses_that_are_set(work, place):
    silent(work, place)
    assert [letter.to for letter in place.letters] == ["ops@example.com", "boss@example.com"]


def test_a_letters_placeholders_are_those_of_its_context(work, place):
    UserFactory(email="jefa@example.com", is_staff=True, language="es")
    ChargerFactory(last_seen=place.now)
    silent(work, place, name="{evil} %(x)s\nSubject: y")
    for letter in place.letters:
        assert letter.subject.format(**letter.context)
        assert "\n" not in letter.subject.format(**letter.context)
        assert letter.body.format(**letter.context).count("{evil} %(x)s Subject: y") == 1
        assert letter.context["link"] == "http://localhost:8000/admin/alert/"


def test_what_happens_in_a_few_minutes_goes_into_two_mails_not_ten(work, place):
    connectors = ConnectorFactory.create_batch(7)
    work.commit()
    for connector in connectors:
        place.report(connector, "Faulted", "InternalError")
        place.pass_time(1)
    place.pass_time(10)
    assert len(place.letters) <= 3
    assert sum(int(letter.context["count"]) for letter in place.letters) == 7


def test_without_anybody_to_tell_an_alert_waits_for_somebody(work, place):
    with unit_of_work() as writing:
        boss = writing.merge(UserFactory(email=""))
        boss.is_staff = False
    db.session.execute(db.text("""UPDATE "user" SET email = ''"""))
    db.session.commit()
    silent(work, place)
    assert rows(work)[0].mailed_at is None
    UserFactory(email="new@example.com", is_staff=True)
    work.commit()
    place.pass_time(1)
    assert [letter.to for letter in place.letters] == ["new@example.com"]


def test_what_is_acknowledged_is_not_mailed(work, place):
    connector = ConnectorFactory()
    work.commit()
    place.report(connector, "Faulted", "InternalError")
    place.pass_time(1)
    with unit_of_work() as writing:
        writing.get(Alert, rows(work)[0].id).acknowledged_at = place.now
    place.pass_time(30)
    assert place.letters == []


# Staff


def test_staff_see_alerts_on_the_dashboard_and_nobody_else_does(client, staff, work, place):
    charger = ChargerFactory(charger_id="CP1", name="<b>Gate</b>", last_seen=place.now)
    ChargerFactory(charger_id="CP2", last_seen=place.now + timedelta(days=1))
    work.commit()
    place.pass_time(17)
    page = staff.get("/ocpp/").text
    assert "&lt;b&gt;Gate&lt;/b&gt; (CP1) has not been heard of since" in page
    assert page.count('data-field="alert" >') == 1
    assert "ocpp-alerts.js" in page

    public = client.get("/ocpp/").text
    assert "has not been heard of" not in public
    assert 'data-field="alert"' not in public
    assert "ocpp-alerts.js" not in public

    place.hear(charger)
    place.pass_time(1)
    assert staff.get("/ocpp/").text.count('data-field="alert" hidden>') >= 2


@both_databases
def test_open_alerts_are_told_as_json(client, staff, token, work, place):
    silent(work, place, charger_id="CP1")
    answer = client.get("/ocpp/alerts/", headers=token).json
    (told,) = answer["alerts"]
    assert (told["charger_id"], told["kind"], told["connector_id"]) == ("CP1", "silent", None)
    assert told["since"] == "2026-01-31T12:00:00Z"
    assert answer["open"] == {"silent": 1, "fault": 0, "disk": 0}
    assert client.get("/ocpp/alerts/").status_code == 401
    assert "no ha" not in told["text"]
    spanish = staff.get("/ocpp/alerts/", headers={"Accept-Language": "es"}).json["alerts"][0]["text"]
    assert spanish != told["text"]


@both_databases
def test_staff_acknowledge_alerts(staff, work, place):
    silent(work, place, charger_id="CP1")
    (alert,) = rows(work)
    assert "CP1" in staff.get("/admin/alert/").text
    assert staff.get(f"/admin/alert/details/?id={alert.id}").status_code == 200

    data = {"action": "acknowledge", "rowid": alert.id}
    answer = staff.submit("/admin/alert/action/", data, follow_redirects=True)

    assert "1 alert acknowledged." in messages(answer)
    (alert,) = rows(work)
    assert (alert.acknowledged_at, alert.acknowledged_by.username) == (place.now, "staff")
    assert [entry.action for entry in work.scalars(select(AuditEntry))] == ["acknowledge"]
    assert staff.get("/ocpp/alerts/").json["alerts"] == []
    assert staff.get("/ocpp/alerts/").json["open"]["silent"] == 1


def test_an_acknowledged_alert_that_comes_back_is_shown_again(staff, work, place):
    charger = silent(work, place)
    with unit_of_work() as writing:
        writing.get(Alert, rows(work)[0].id).acknowledged_at = place.now
    place.hear(charger)
    place.pass_time(18)
    assert len(staff.get("/ocpp/alerts/").json["alerts"]) == 1


def test_a_charger_with_alerts_and_no_history_can_be_deleted(staff, work, place):
    charger = silent(work, place)
    staff.submit("/admin/charger/delete/", {"id": charger.id})
    assert rows(work) == []


@both_databases
def test_every_filter_and_sort_of_the_screen_works(app, staff, work, place):
    silent(work, place, charger_id="CP1")
    view = next(view for view in app.extensions["admin"][0]._views if view.endpoint == "alert")
    for number, flt in enumerate(view._filters):
        for value in ("1", "CP1", "2026-01-01", "x"):
            address = f"/admin/alert/?flt0_{view.get_filter_arg(number, flt)}={value}"
            assert staff.get(address).status_code == 200, address


def test_alerts_are_numbers_for_prometheus(client, token, work, place):
    silent(work, place)
    text = client.get("/metrics", headers=token).text
    assert 'constellation_alerts_open{kind="silent"} 1.0' in text
    assert 'constellation_alerts_open{kind="fault"} 0.0' in text


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
