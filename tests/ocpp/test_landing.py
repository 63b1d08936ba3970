"""A charger's landing page: what it shows, to whom, and when it offers to start and to stop."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import func, select

from app.blueprints.accounts.models import Account
from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp import dispatch, landing_words
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import authorization, landing, overview
from app.blueprints.qrcodes import pictures
from app.blueprints.qrcodes.models import QRLink
from app.clock import utcnow
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ChargerFactory,
    ConnectorFactory,
    RFIDFactory,
    TransactionFactory,
    UserFactory,
)

PAGE, PASSWORD = "/ocpp/c/CP1/", "correct horse"
START, STOP = 'action="/ocpp/c/CP1/start/"', 'action="/ocpp/c/CP1/stop/"'


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of the chargers that are connected."""
    ids = {"CP1"}
    monkeypatch.setattr(dispatch, "connected", lambda asked: ids & set(asked))
    return ids


@pytest.fixture
def charger(work: UnitOfWork) -> Charger:
    """A charger whose one connector is free."""
    return ConnectorFactory(charger__charger_id="CP1", charger__name="North gate").charger


@pytest.fixture
def ana(work: UnitOfWork) -> Account:
    """The account of a driver with 100 kWh and a card."""
    account = AccountFactory(user=UserFactory(username="ana", account=None))
    RFIDFactory(rfid="DEADBEEF", user=account.user)
    return account


@pytest.fixture
def page(client: Browser, charger: Charger, ana: Account) -> Browser:
    """Ana's browser."""
    return client.log_in(ana.user)


def text_of(answer: Any) -> str:
    """What a page says to whoever reads it."""
    body = re.sub(r"<(script|style|svg).*?</\1>", " ", answer.text, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


# For anyone


@both_databases
def test_a_stranger_sees_the_state_the_connectors_the_code_and_how_to_log_in(
    client: Browser, charger: Charger, work: UnitOfWork
) -> None:
    answer = client.get(PAGE)
    shown, said = answer.text, text_of(answer)

    for sentence in ("North gate", "CP1", "Available", "Plug in your car and start.", "Connector 1"):
        assert sentence in said
    assert "text-bg-success" in shown
    link = work.scalars(select(QRLink)).one()
    assert link.value == "http://localhost:8000/ocpp/c/CP1/"
    assert f'src="/qrcodes/images/{link.image}"' in shown
    assert 'href="/login/?next=/ocpp/c/CP1/"' in shown
    assert "Log in to start" in said
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
    for statuses, said, colour in (
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

        assert said in text_of(answer)
        assert f"p-3 mb-3 text-bg-{colour}" in answer.text


def test_an_offline_charger_is_told_to_be(client: Browser, charger: Charger, online: set[str]) -> None:
    online.clear()

    assert "It cannot be reached" in text_of(client.get(PAGE))
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
    assert "Nobody knows a charger with the id “CP2”" in text_of(answer)
    assert client.get("/ocpp/c/?id=CP2").status_code == 404
    assert client.get("/ocpp/c/?id=+CP1+").location == PAGE
    assert "Scan the code on its label" in text_of(client.get("/ocpp/c/"))
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


# For a driver


def test_a_driver_with_card_and_credit_may_start(page: Browser) -> None:
    answer = page.get(PAGE)

    assert START in answer.text
    assert "100 kWh" in text_of(answer)
    assert 'name="connector_id" value="1"' in answer.text
    assert "<select" not in answer.text  # one card is no choice
    assert "DEADBEEF" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_several_cards_are_a_choice_and_never_shown_whole(page: Browser, ana: Account) -> None:
    RFIDFactory(rfid="0000CAFE", user=ana.user)
    RFIDFactory(rfid="0000F00D", user=ana.user, expires_at=utcnow() - timedelta(days=1))
    RFIDFactory(rfid="0000B10C", user=UserFactory())

    answer = page.get(PAGE)

    assert re.findall(r"<option[^>]*>(.*?)</option>", answer.text) == ["Card …BEEF", "Card …CAFE"]
    assert "0000CAFE" not in answer.text


def test_whoever_has_no_card_is_told_so(client: Browser, charger: Charger) -> None:
    client.log_in(AccountFactory().user)

    answer = client.get(PAGE)

    assert START not in answer.text
    assert "You have no card that may charge" in text_of(answer)


def test_a_blocked_card_is_no_card(page: Browser, ana: Account) -> None:
    ana.user.rfids[0].expires_at = utcnow() - timedelta(seconds=1)

    assert "You have no card that may charge" in text_of(page.get(PAGE))


def test_without_credit_only_a_service_account_starts(page: Browser, ana: Account) -> None:
    ana.credited_wh = 0
    assert START not in page.get(PAGE).text
    assert "You have no credit left" in text_of(page.get(PAGE))

    ana.service_account = True
    assert START in page.get(PAGE).text


def test_whoever_has_no_account_is_told_so(client: Browser, charger: Charger) -> None:
    client.log_in(UserFactory(account=None))

    assert "You have no account yet" in text_of(client.get(PAGE))


def test_what_is_busy_or_out_of_service_is_not_offered(page: Browser, charger: Charger) -> None:
    for status in ("Charging", "SuspendedEV", "SuspendedEVSE", "Faulted", "Unavailable"):
        charger.connectors[0].status = status
        assert START not in page.get(PAGE).text, status
    for status in ("Available", "Preparing", "Finishing", "Reserved"):
        charger.connectors[0].status = status
        assert START in page.get(PAGE).text, status


def test_an_offline_or_rejected_charger_is_not_offered(
    page: Browser, charger: Charger, online: set[str]
) -> None:
    charger.registration_status = "Rejected"
    assert START not in page.get(PAGE).text
    charger.registration_status = "Accepted"
    assert START in page.get(PAGE).text
    online.clear()
    assert START not in page.get(PAGE).text


def test_of_several_connectors_the_free_ones_are_a_choice(page: Browser, charger: Charger) -> None:
    for number, status in ((2, "Charging"), (3, "Preparing"), (4, "Faulted")):
        ConnectorFactory(charger=charger, connector_id=number, status=status)

    assert re.findall(r'type="radio" name="connector_id" id="[^"]*" value="(\d)"', page.get(PAGE).text) == [
        "1", "3",
    ]  # fmt: skip


def test_a_driver_sees_and_may_stop_their_own_session_alone(
    page: Browser, charger: Charger, ana: Account
) -> None:
    charger.connectors[0].power_w, charger.connectors[0].status = 7360, "Charging"
    ConnectorFactory(charger=charger, connector_id=2, status="Charging")
    mine = TransactionFactory(charger=charger, account=ana, id_tag="DEADBEEF", energy_wh=4321)
    other = TransactionFactory(charger=charger, connector_id=2, energy_wh=99)
    elsewhere = TransactionFactory(account=ana)

    answer = page.get(PAGE)

    assert "You are charging" in text_of(answer)
    assert "4.32 kWh" in text_of(answer)
    assert "7.4 kW" in text_of(answer)
    assert re.findall(r'name="transaction" value="(\d+)"', answer.text) == [str(mine.id)]
    assert answer.text.count(STOP) == 1
    for id in (other.id, elsewhere.id, 0, 2**31 - 1):
        assert page.submit(f"{PAGE}stop/", {"transaction": id}).status_code == 404
    assert page.submit(f"{PAGE}stop/", {"transaction": "one"}).status_code == 400


# Who may not


def test_whoever_came_by_a_card_alone_may_look_only(page: Browser, charger: Charger, ana: Account) -> None:
    session = TransactionFactory(charger=charger, account=ana)
    ConnectorFactory(charger=charger, connector_id=2)
    with page.session_transaction() as cookie:
        cookie["by_tag"] = True

    answer = page.get(PAGE)

    assert "You are charging" in text_of(answer)
    assert START not in answer.text
    assert STOP not in answer.text
    assert "Log in with your password" in text_of(answer)
    assert page.submit(f"{PAGE}start/", {}).status_code == 403
    assert page.submit(f"{PAGE}stop/", {"transaction": session.id}).status_code == 403


def test_orders_need_a_login_and_come_back_to_the_page(client: Browser, charger: Charger) -> None:
    for order in ("start", "stop"):
        answer = client.submit(f"{PAGE}{order}/", {})
        assert answer.status_code == 302
        assert answer.location == f"/login/?next=/ocpp/c/CP1/{order}/"
        client.log_in(UserFactory())
        assert client.get(f"{PAGE}{order}/").location == PAGE
        client.get("/logout/")
        client.submit("/logout/")


def test_orders_need_our_own_form(page: Browser) -> None:
    assert page.post(f"{PAGE}start/").status_code == 400
    assert page.post(f"{PAGE}stop/", data={"transaction": "1"}).status_code == 400


def test_orders_for_a_charger_that_nobody_knows_are_not_found(page: Browser) -> None:
    for id in ("CP2", "x" * 20_000, "%00"):
        assert page.submit(f"/ocpp/c/{id}/start/", {}).status_code == 404
        assert page.submit(f"/ocpp/c/{id}/stop/", {"transaction": 1}).status_code == 404


def test_a_token_starts_for_its_owner_alone(
    client: Browser, charger: Charger, ana: Account, online: set[str], work: UnitOfWork
) -> None:
    online.clear()
    _, plain = create_token(work, ana.user, "phone")

    answer = client.post(f"{PAGE}start/", headers={"Authorization": f"Bearer {plain}"})

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda ana, charger: setattr(ana, "credited_wh", 0), "You have no credit left"),
        (lambda ana, charger: ana.user.rfids.clear(), "You have no card that may charge"),
        (lambda ana, charger: setattr(charger.connectors[0], "status", "Charging"), "Another car"),
        (lambda ana, charger: setattr(charger.connectors[0], "status", "Faulted"), "out of service"),
        (lambda ana, charger: setattr(charger, "blocked", True), "out of service"),
        (lambda ana, charger: TransactionFactory(charger=charger, account=ana), "charging here already"),
        (lambda ana, charger: setattr(charger, "require_rfid", True), "The charger is offline"),
    ],
)  # fmt: skip
def test_a_start_that_may_not_be_says_why_and_asks_nobody(
    page: Browser, charger: Charger, ana: Account, change: Any, sentence: str
) -> None:
    change(ana, charger)

    for _ in range(2):  # what was not done may be tried again at once
        answer = page.submit(f"{PAGE}start/", {"connector_id": 1}, follow_redirects=True)
        assert answer.status_code == 200
        assert sentence in text_of(answer)


@both_databases
def test_a_card_that_charges_elsewhere_starts_nothing(page: Browser, ana: Account) -> None:
    TransactionFactory(account=ana, id_tag="DEADBEEF", charger__last_seen=utcnow())

    answer = page.submit(f"{PAGE}start/", {"connector_id": 1}, follow_redirects=True)

    assert "Your card is charging somewhere else." in text_of(answer)


def test_a_card_of_somebody_elses_starts_nothing(page: Browser, work: UnitOfWork) -> None:
    others = RFIDFactory()
    work.flush()

    answer = page.submit(f"{PAGE}start/", {"connector_id": 1, "card": others.id}, follow_redirects=True)

    assert "This card is not yours" in text_of(answer)


def test_a_connector_that_is_not_there_is_told(page: Browser) -> None:
    for connector in (2, 255):
        answer = page.submit(f"{PAGE}start/", {"connector_id": connector}, follow_redirects=True)
        assert "no such connector" in text_of(answer)


def test_nonsense_is_refused(page: Browser) -> None:
    for field in ("connector_id", "card"):
        for value in ("x", "-1", "9" * 30):
            assert page.submit(f"{PAGE}start/", {field: value}).status_code == 400


def test_the_page_speaks_spanish(page: Browser) -> None:
    said = text_of(page.get(PAGE, headers={"Accept-Language": "es"}))

    assert "Iniciar la carga" in said
    assert "Conecte su auto e inicie la carga." in said
