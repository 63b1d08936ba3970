"""Alerts by mail: to whom, how often, and what the letter says."""

from __future__ import annotations

import pytest

from app.blueprints.ocpp.models import Alert
from app.db import db, unit_of_work
from tests.alerts.rows import rows, silent
from tests.factories import ChargerFactory, ConnectorFactory, UserFactory


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


def test_without_a_mail_server_alerts_pile_up_no_letters_and_the_open_ones_are_told_when_there_is_one(
    app, work, place
):
    app.config["SMTP_HOST"] = ""
    over, still = silent(work, place), ChargerFactory(last_seen=place.now)
    work.commit()
    place.pass_time(17)
    place.hear(over)
    place.pass_time(1)
    assert [row.ended_at is None for row in rows(work)] == [False, True]
    assert place.letters == []

    app.config["SMTP_HOST"] = "mail.example.com"
    place.pass_time(1)
    (letter,) = place.letters
    assert still.charger_id in letter.context["first"]


def test_what_is_acknowledged_is_not_mailed(work, place):
    connector = ConnectorFactory()
    work.commit()
    place.report(connector, "Faulted", "InternalError")
    place.pass_time(1)
    with unit_of_work() as writing:
        writing.get(Alert, rows(work)[0].id).acknowledged_at = place.now
    place.pass_time(30)
    assert place.letters == []
