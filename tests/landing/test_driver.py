"""A charger's landing page, for a driver who is logged in: when it offers to start and to stop."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from app.blueprints.accounts.models import Account
from app.blueprints.accounts.services import create_token
from app.blueprints.ocpp.models import Charger
from app.clock import utcnow
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ConnectorFactory,
    RFIDFactory,
    TransactionFactory,
    UserFactory,
)
from tests.landing.phone import said

PAGE = "/ocpp/c/CP1/"
START, STOP = 'action="/ocpp/c/CP1/start/"', 'action="/ocpp/c/CP1/stop/"'

pytestmark = pytest.mark.usefixtures("online")


# For a driver


def test_a_driver_with_card_and_credit_may_start(page: Browser) -> None:
    answer = page.get(PAGE)

    assert START in answer.text
    assert "100 kWh" in said(answer.text)
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
    assert "You have no card that may charge" in said(answer.text)


def test_a_blocked_card_is_no_card(page: Browser, ana: Account) -> None:
    ana.user.rfids[0].expires_at = utcnow() - timedelta(seconds=1)

    assert "You have no card that may charge" in said(page.get(PAGE).text)


def test_without_credit_only_a_service_account_starts(page: Browser, ana: Account) -> None:
    ana.credited_wh = 0
    assert START not in page.get(PAGE).text
    assert "You have no credit left" in said(page.get(PAGE).text)

    ana.service_account = True
    assert START in page.get(PAGE).text


def test_whoever_has_no_account_is_told_so(client: Browser, charger: Charger) -> None:
    client.log_in(UserFactory(account=None))

    assert "You have no account yet" in said(client.get(PAGE).text)


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

    assert "You are charging" in said(answer.text)
    assert "4.32 kWh" in said(answer.text)
    assert "7.4 kW" in said(answer.text)
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

    assert "You are charging" in said(answer.text)
    assert START not in answer.text
    assert STOP not in answer.text
    assert "Log in with your password" in said(answer.text)
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
        assert sentence in said(answer.text)


@both_databases
def test_a_card_that_charges_elsewhere_starts_nothing(page: Browser, ana: Account) -> None:
    TransactionFactory(account=ana, id_tag="DEADBEEF", charger__last_seen=utcnow())

    answer = page.submit(f"{PAGE}start/", {"connector_id": 1}, follow_redirects=True)

    assert "Your card is charging somewhere else." in said(answer.text)


def test_a_card_of_somebody_elses_starts_nothing(page: Browser, work: UnitOfWork) -> None:
    others = RFIDFactory()
    work.flush()

    answer = page.submit(f"{PAGE}start/", {"connector_id": 1, "card": others.id}, follow_redirects=True)

    assert "This card is not yours" in said(answer.text)


def test_a_connector_that_is_not_there_is_told(page: Browser) -> None:
    for connector in (2, 255):
        answer = page.submit(f"{PAGE}start/", {"connector_id": connector}, follow_redirects=True)
        assert "no such connector" in said(answer.text)


def test_nonsense_is_refused(page: Browser) -> None:
    for field in ("connector_id", "card"):
        for value in ("x", "-1", "9" * 30):
            assert page.submit(f"{PAGE}start/", {field: value}).status_code == 400


def test_the_page_speaks_spanish(page: Browser) -> None:
    words = said(page.get(PAGE, headers={"Accept-Language": "es"}).text)

    assert "Iniciar la carga" in words
    assert "Conecte su auto e inicie la carga." in words
