"""A charger's landing page, for anyone: its state in words and as JSON, its QR code."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import func, select

from app.blueprints.accounts.models import Account
from app.blueprints.accounts.services import create_user
from app.blueprints.ocpp import landing_words
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import authorization, landing, overview
from app.blueprints.qrcodes import pictures
from app.blueprints.qrcodes.models import QRLink
from app.clock import utcnow
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    ChargerFactory,
    ConnectorFactory,
    TransactionFactory,
)
from tests.landing.phone import said

PAGE, PASSWORD = "/ocpp/c/CP1/", "correct horse"
START = 'action="/ocpp/c/CP1/start/"'

pytestmark = pytest.mark.usefixtures("online")


# For anyone


@both_databases
def test_a_stranger_sees_the_state_the_connectors_the_code_and_how_to_log_in(
    client: Browser, charger: Charger, work: UnitOfWork
) -> None:
    answer = client.get(PAGE)
    shown, words = answer.text, said(answer.text)

    for sentence in ("North gate", "CP1", "Available", "Plug in your car and start.", "Connector 1"):
        assert sentence in words
    assert "text-bg-success" in shown
    link = work.scalars(select(QRLink)).one()
    assert link.value == "http://localhost:8000/ocpp/c/CP1/"
    assert f'src="/qrcodes/images/{link.image}"' in shown
    assert 'href="/login/?next=/ocpp/c/CP1/"' in shown
    assert "Log in to start" in words
    assert START not in shown


def test_every_state_and_every_reason_of_the_chargers_rule_is_a_sentence(app: Flask) -> None:
    with app.test_request_context():
        for state in overview.STATES:
            assert str(landing_words.MEANINGS[state]).endswith(".")
        for reason in authorization.REASONS:
            colour, sentence = landing_words.outcome(reason)
            assert colour == "warning"
            assert sentence.endswith(".")


def test_the_state_is_told_in_words_and_colour(client: Browser, work: UnitOfWork, online: set[str]) -> None:
    for statuses, meaning, colour in (
        (("Charging",), "A car is charging here.", "primary"),
        (("Faulted",), "It reports a fault.", "danger"),
        (("Unavailable",), "Please use another charger.", "secondary"),
        (("Charging", "Available"), "1 of 2 connectors free", "success"),
        (("Charging", "Charging"), "0 of 2 connectors free", "primary"),
        ((), "It has not told its state yet.", "success"),
    ):
        charger = ChargerFactory()
        online.add(charger.charger_id)
        for number, status in enumerate(statuses, 1):
            ConnectorFactory(charger=charger, connector_id=number, status=status)

        answer = client.get(f"/ocpp/c/{charger.charger_id}/")

        assert meaning in said(answer.text)
        assert f"p-3 mb-3 text-bg-{colour}" in answer.text


def test_an_offline_charger_is_told_to_be(client: Browser, charger: Charger, online: set[str]) -> None:
    online.clear()

    assert "It cannot be reached" in said(client.get(PAGE).text)
    assert "text-bg-secondary" in client.get(PAGE).text


def test_the_page_is_anybodys_where_the_dashboard_is_not(
    app: Flask, client: Browser, charger: Charger
) -> None:
    app.config["PUBLIC_DASHBOARD"] = False

    answer = client.get(PAGE)

    assert answer.status_code == 200
    assert 'href="/ocpp/"' not in answer.text.partition('id="content"')[2]


def test_an_unknown_charger_is_helped_with(client: Browser, charger: Charger) -> None:
    answer = client.get("/ocpp/c/CP2/")

    assert answer.status_code == 404
    assert "Nobody knows a charger with the id “CP2”" in said(answer.text)
    assert client.get("/ocpp/c/?id=CP2").status_code == 404
    assert client.get("/ocpp/c/?id=+CP1+").location == PAGE
    assert "Scan the code on its label" in said(client.get("/ocpp/c/").text)
    assert client.get("/ocpp/c/CP2/status/").json == {"detail": "not found"}
    assert client.get("/ocpp/c/CP2/events/").status_code == 404


def test_no_id_breaks_the_page(client: Browser, charger: Charger) -> None:
    for id in ("x" * 20_000, "%00", "a%00b", "%ff%fe", "..%2f..%2fetc", "' OR 1=1 --", "<b>"):
        for path in (f"/ocpp/c/{id}/", f"/ocpp/c/{id}/status/", f"/ocpp/c/{id}/events/", f"/ocpp/c/?id={id}"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert "<b>" not in answer.text


def test_hostile_names_are_only_text(client: Browser, work: UnitOfWork) -> None:
    for name in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "'; DROP TABLE x",
    ):
        ConnectorFactory(charger__charger_id=name, charger__name=name, status=name)
        path = landing.address("", name)

        answer = client.get(path)

        assert answer.status_code == 200
        assert f'<h1 class="h3 mb-0 text-break">{escape(name)}</h1>' in answer.text
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert client.get(f"{path}status/").json["name"] == name


def test_an_id_of_any_letters_leads_to_its_page_and_back_after_a_login(
    client: Browser, work: UnitOfWork
) -> None:
    create_user(work, "ana", password=PASSWORD)
    for id in ("A B", "A/B", "Ñandú 1", "A?B#C", "A%41", "a&b=c"):
        charger, address = ChargerFactory(charger_id=id), landing.address("", id)
        client.submit("/logout/")

        answer = client.get(address)

        assert work.get_one(Charger, charger.id).qr.value == f"http://localhost:8000{address}"
        logins = re.findall(r'href="(/login/[^"]*)"', answer.text)
        assert len(logins) == 2  # one in the navigation
        for login in logins:
            client.submit("/logout/")
            back = client.submit(html.unescape(login), {"username": "ana", "password": PASSWORD})
            assert client.get(back.location).text.count(f'data-charger="{html.escape(id)}"') == 1
        work.expire_all()


# Its state as JSON


@both_databases
def test_the_status_tells_state_and_current_transaction_and_no_tag(
    client: Browser, charger: Charger, ana: Account
) -> None:
    began = utcnow() - timedelta(minutes=5)
    assert client.get(f"{PAGE}status/").json["transaction"] is None
    row = TransactionFactory(
        charger=charger, account=ana, id_tag="DEADBEEF", started_at=began, meter_start_wh=100, energy_wh=1500
    )

    answer = client.get(f"{PAGE}status/")

    told = answer.json
    assert told["transaction"] == {
        "transactionId": row.id, "connectorId": 1, "meterStart": 100, "startTime": overview.iso(began),
        "energyWh": 1500,
    }  # fmt: skip
    assert told.items() >= {"charger_id": "CP1", "name": "North gate", "connected": True}.items()
    assert told["connectors"][0]["energy_kwh"] == 1.5
    for text in (answer.text, client.get(PAGE).text):
        assert "DEADBEEF" not in text
        assert not re.search(r"\bana\b", text)
    assert answer.headers["Cache-Control"] == "no-store"


# Its QR code


def test_the_code_is_made_once_and_anew_when_the_address_changes(
    app: Flask, client: Browser, charger: Charger, work: UnitOfWork
) -> None:
    client.get(PAGE)
    client.get(PAGE)
    assert work.scalar(select(func.count(QRLink.id))) == 1

    app.config["PUBLIC_URL"] = "https://charge.example.com"
    assert "https://charge.example.com/ocpp/c/CP1/" in client.get(PAGE).text
    work.expire_all()
    assert charger.qr is not None
    assert charger.qr.value == "https://charge.example.com/ocpp/c/CP1/"


def test_saving_a_charger_makes_its_code_and_picture(app: Flask, staff: Browser, work: UnitOfWork) -> None:
    answer = staff.submit("/admin/charger/new/", {"charger_id": "NEW 1", "registration_status": "Accepted"})

    assert answer.status_code == 302
    charger = work.scalars(select(Charger)).one()
    assert charger.qr is not None
    assert charger.qr.value == "http://localhost:8000/ocpp/c/NEW%201/"
    with app.app_context():
        assert (pictures.folder() / charger.qr.image).exists()
    page = staff.get("/admin/charger/").text
    assert 'href="/ocpp/c/NEW%201/">Landing page</a>' in page
