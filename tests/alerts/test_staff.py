"""What staff see of alerts, and what they do."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.ocpp.models import Alert
from app.db import unit_of_work
from tests.accounts.screens import messages
from tests.alerts.rows import rows, silent
from tests.databases import both_databases
from tests.factories import ChargerFactory


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
