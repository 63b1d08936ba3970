"""A charger's page for staff and its commands: what is shown, what is asked, sent and answered, and kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.blueprints.ocpp import command_forms, commands
from app.blueprints.ocpp.command_words import CONSEQUENCES, TITLES
from app.blueprints.ocpp.models import Charger, MeterReading, OcppMessage
from app.blueprints.ocpp.services import configuration
from app.blueprints.ocpp.wire import V16
from app.clock import utcnow
from app.db import UnitOfWork, db
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerDayFactory, ChargerFactory, ConnectorFactory, TransactionFactory
from tests.ocpp.charge_point import new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.ordered import COMMANDS
from tests.ocpp.staff import Staff, read
from tests.servers import RunningServer

PAGE = "/ocpp/chargers/CP1/page/"
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}


def busy(work: UnitOfWork, charger_id: str = "CP1") -> Charger:
    """A charger at which somebody charges, and has charged."""
    charger = ChargerFactory(charger_id=charger_id, name="Yard", vendor="<b>Acme</b>")
    ConnectorFactory(charger=charger, connector_id=1, status="Charging", power_w=7360)
    ConnectorFactory(charger=charger, connector_id=2, status="Faulted", error_code="GroundFailure")
    began = utcnow() - timedelta(minutes=30)
    running = TransactionFactory(charger=charger, id_tag="CAFE", energy_wh=2500, started_at=began)
    for minute in (5, 15, 25):
        work.add(
            MeterReading(
                charger_id=charger.id, connector_id=1, transaction_id=running.id, value=7000 + minute,
                at=began + timedelta(minutes=minute), measurand="Power.Active.Import",
            )
        )  # fmt: skip
    for ago, energy_wh in ((0, 2500), (3, 40_000)):
        day = utcnow().date() - timedelta(days=ago)
        ChargerDayFactory(charger_id=charger.id, day=day, energy_wh=energy_wh, sessions=ago + 1)
    work.add(OcppMessage(charger_id=charger.id, direction="in", action="Heartbeat", request="[2,<i>]"))
    work.flush()
    return charger


@both_databases
def test_everything_of_a_charger_is_on_its_page(staff: Browser, work: UnitOfWork) -> None:
    charger = busy(work)
    charger.reported_config = {"HeartbeatInterval": {"value": "120", "readonly": False}}

    page = staff.get(PAGE).text

    for text in (
        "Yard", "&lt;b&gt;Acme", "Offline", "GroundFailure", "2.5 kWh", "CAFE", "Energy per day",
        "Sessions per day", "42.5 kWh on the 30 days", "5 sessions on the 30 days",
        "Power and energy over time", "HeartbeatInterval", "120", "[2,&lt;i&gt;]", "RemoteStartTransaction",
        "SetChargingProfile",
    ):  # fmt: skip
        assert text in page, text
    assert f"/ocpp/chargers/CP1/commands/RemoteStopTransaction/?transactionId={charger.id}" in page
    assert "<b>Acme" not in page
    assert "<i>" not in page


def test_a_new_charger_has_a_page_too(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="NEW ñ#")

    page = staff.get("/ocpp/chargers/NEW%20%C3%B1%23/page/").text

    for text in (
        "has not told of any connector", "Nobody has charged here yet", "Nothing was charged here in",
        "was not asked for its configuration", "Nothing has been said yet", "is not connected",
    ):  # fmt: skip
        assert text in page, text
    assert staff.get("/ocpp/chargers/nobody/page/").status_code == 404


def test_the_parts_that_change_come_as_json(staff: Browser, work: UnitOfWork) -> None:
    busy(work)

    parts = staff.get(f"{PAGE}parts/")
    plots = staff.get(f"{PAGE}plots/")

    assert set(parts.json) == {"state", "figures", "connectors", "sessions", "messages"}
    assert "Offline" in parts.json["state"]
    assert "plot-power" in plots.json["html"]
    assert 5 <= plots.json["next_s"] <= 60
    assert parts.headers["Cache-Control"] == plots.headers["Cache-Control"] == "no-store"
    assert staff.get("/ocpp/chargers/nobody/page/parts/").status_code == 404


def test_its_events_are_of_this_charger_alone(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")
    ChargerFactory(charger_id="CP11")

    answer = client.get("/ocpp/events/?charger=CP1", buffered=False)
    told = next(chunk for chunk in answer.iter_encoded() if b"event: chargers" in chunk)
    answer.close()

    assert b'"CP1"' in told
    assert b'"CP11"' not in told


@both_databases
def test_a_long_history_costs_no_statement_more(staff: Browser, work: UnitOfWork) -> None:
    charger = busy(work)

    def statements() -> int:
        db.session.commit()
        seen: list[str] = []
        listen = lambda *call: seen.append(call[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        assert staff.get(PAGE).status_code == 200
        event.remove(db.engine, "before_cursor_execute", listen)
        return len(seen)

    statements()
    few = statements()
    for number in range(60):
        ended = utcnow() - timedelta(days=number)
        TransactionFactory(charger=charger, started_at=ended, stopped_at=ended, energy_wh=100)
        work.add(OcppMessage(charger_id=charger.id, direction="in", request="x"))

    assert statements() == few


def test_staff_are_led_to_the_page(staff: Browser, client: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1", latitude=1, longitude=2)

    for page in ("/ocpp/", "/ocpp/map/", "/admin/charger/", f"/admin/charger/details/?id={charger.id}"):
        assert PAGE in staff.get(page).text, page
    assert PAGE not in client.get("/ocpp/").text + client.get("/ocpp/map/").text


# Commands


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A payload as a form would send it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from flat(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, item in enumerate(value):
            yield from flat(item, f"{path}.{number}")
    else:
        text = "\r\n".join(value) if isinstance(value, list) else str(value)
        yield path, text.replace("\n", "\r\n").replace("\r\r", "\r")


def test_every_command_has_a_form() -> None:
    assert set(TITLES) == set(V16.outgoing)
    assert set(CONSEQUENCES) < set(TITLES)


def test_what_a_form_asks_is_what_the_standard_defines(app: Flask, staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")
    for action, wanted in COMMANDS.items():
        form = dict(flat(wanted))
        with app.test_request_context():
            sent = command_forms.payload(action, form)
        assert sent == wanted
        commands.check(action, sent)

        page = unescape(staff.get(f"/ocpp/chargers/CP1/commands/{action}/").text)
        asked = set(re.findall(r'name="([^"]+)"', page.partition('class="command-form"')[2]))
        assert form.keys() <= asked


@pytest.mark.parametrize(
    ("action", "form", "wrong"),
    [
        ("RemoteStartTransaction", {}, {"idTag": "This is needed."}),
        ("RemoteStopTransaction", {"transactionId": "x"}, {"transactionId": "This must be a whole number."}),
        ("CancelReservation", {"reservationId": "9" * 30}, {"reservationId": "This must be a whole number."}),
        ("ReserveNow", {"connectorId": "1", "expiryDate": "soon", "idTag": "A", "reservationId": "1"},
         {"expiryDate": "Enter a time, such as 2026-01-31T08:00."}),
        ("SetChargingProfile", dict(flat(COMMANDS["SetChargingProfile"])) | {
            "csChargingProfiles.chargingSchedule.chargingSchedulePeriod.0.limit": "nan"},
         {"csChargingProfiles.chargingSchedule.chargingSchedulePeriod.0.limit": "This must be a number."}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field(
    app: Flask, action: str, form: dict[str, str], wrong: dict[str, str]
) -> None:
    with (
        app.test_request_context(headers={"Accept-Language": "en"}),
        pytest.raises(command_forms.Refused) as refused,
    ):
        command_forms.payload(action, form)

    assert refused.value.errors == wrong


def test_times_are_the_sites_and_an_empty_value_is_a_value(app: Flask) -> None:
    with app.test_request_context():
        reserved = {"connectorId": "1", "expiryDate": "2030-01-01T08:00", "idTag": "A", "reservationId": "1"}
        assert command_forms.payload("ReserveNow", reserved)["expiryDate"] == "2030-01-01T08:00:00Z"
        emptied = command_forms.payload("ChangeConfiguration", {"key": "LocalName", "value": ""})
    assert emptied == {"key": "LocalName", "value": ""}


def test_a_list_grows_by_a_row(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")
    address = "/ocpp/chargers/CP1/commands/SendLocalList/"
    form = {"localAuthorizationList.0.idTag": "CAFE", "more": "localAuthorizationList", "listVersion": "7"}

    page = staff.submit(address, form)

    assert page.status_code == 200
    assert 'name="localAuthorizationList.1.idTag"' in page.text
    assert 'value="CAFE"' in page.text
    assert "data-answer" not in page.text


def test_what_may_be_lost_is_confirmed_first(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")
    address = "/ocpp/chargers/CP1/commands/Reset/"

    unsure = staff.submit(address, {"type": "Soft"})
    sure = staff.submit(address, {"type": "Soft", "confirmed": "1"})

    assert (unsure.status_code, sure.status_code) == (400, 404)
    assert "Say that you know what happens." in unsure.text
    assert "no connection" in sure.text
    assert staff.get("/ocpp/chargers/CP1/commands/Nonsense/").status_code == 404
    assert staff.submit("/ocpp/chargers/nobody/commands/Reset/", {}).status_code == 404


def test_a_command_reaches_the_charger_and_its_answer_is_shown_and_kept(
    server: RunningServer, connect: Connect
) -> None:
    charger_id = new_id()
    point = connect(server, f"/ocpp/{charger_id}")
    assert point.ask("BootNotification", BOOT)[2]["status"] == "Accepted"
    staff, address = Staff(server), f"/ocpp/chargers/{charger_id}/commands"
    told = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "120"},
        {"key": "AuthorizationKey", "readonly": False, "value": "open sesame"},
    ]
    replies = {
        "GetConfiguration": {"configurationKey": told, "unknownKey": []},
        "ChangeConfiguration": {"status": "Accepted"},
        "ClearCache": {"status": "Rejected"},
    }

    with point.serving(replies) as received:
        shown = staff.post(f"{address}/GetConfiguration/", f"{address}/GetConfiguration/")
        change = {"key": "HeartbeatInterval", "value": "60", "confirmed": "1"}
        changed = staff.post(f"{address}/ChangeConfiguration/", f"{address}/ChangeConfiguration/", **change)
        refused = staff.post(f"{address}/ClearCache/", f"{address}/ClearCache/", confirmed="1")

    assert [call[2:] for call in received] == [
        ["GetConfiguration", {}], ["ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}],
        ["ClearCache", {}],
    ]  # fmt: skip
    assert "The charger has answered" in shown
    assert "HeartbeatInterval" in shown
    assert "alert-success" in changed
    assert "Rejected" in refused
    assert "alert-warning" in refused
    page = staff.get(f"/ocpp/chargers/{charger_id}/page/")
    assert '<td class="text-break">60</td>' in page
    assert "open sesame" not in page
    (row,) = read(server, "SELECT reported_config FROM charger WHERE charger_id = ?", charger_id)
    assert "open sesame" not in row["reported_config"]


@both_databases
def test_what_a_charger_tells_of_its_configuration_is_kept(work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")

    def learn(action: str, asked: dict[str, Any], response: dict[str, Any]) -> dict[str, str | None]:
        configuration.learn(work, "CP1", action, asked, response)
        work.flush()
        (charger,) = work.query(Charger).all()
        return {key.name: key.value for key in configuration.told(charger)}

    keys = [{"key": "A", "value": "1", "readonly": True}, {"key": "b"}, {"key": ""}, "nonsense"]
    assert learn("GetConfiguration", {}, {"configurationKey": keys}) == {"A": "1", "b": None}
    some = {"configurationKey": [{"key": "c", "value": "\0"}], "unknownKey": ["b"]}
    assert learn("GetConfiguration", {"key": ["c", "b"]}, some) == {"A": "1", "c": "\0"}
    changed = learn("ChangeConfiguration", {"key": "WebPassword", "value": "x"}, {"status": "Accepted"})
    assert changed == {"A": "1", "c": "\0", "WebPassword": "********"}
    assert learn("ChangeConfiguration", {"key": "A", "value": "2"}, {"status": "Rejected"})["A"] == "1"
    assert learn("GetConfiguration", {}, {}) == {}
    configuration.learn(work, "nobody", "GetConfiguration", {}, {})
