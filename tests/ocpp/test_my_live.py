"""A driver's live updates: they follow the meter, reach whom they concern, and nobody else."""

from __future__ import annotations

import hashlib
import http.client
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from app.blueprints.accounts.models import Account
from app.blueprints.accounts.services import add_credit, users
from app.blueprints.ocpp import live
from app.blueprints.ocpp.feeds import own as my_feed
from app.db import UnitOfWork, db
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import AccountFactory, ChargerFactory, TransactionFactory
from tests.ocpp import drivers as line
from tests.ocpp.charge_point import new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.staff import eventually, write
from tests.servers import RunningServer


@contextmanager
def stream(server: RunningServer, account: int) -> Iterator[http.client.HTTPResponse]:
    """The events of an account, asked for with a token of its user."""
    plain = secrets.token_urlsafe()
    write(
        server,
        """INSERT INTO api_token (user_id, name, token_hash, created_on)
           SELECT user_id, '', ?, '2026-01-01 00:00:00.000000' FROM account WHERE id = ?""",
        hashlib.sha256(plain.encode()).hexdigest(),
        account,
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=12)
    connection.request("GET", "/ocpp/my/events/", headers={"Authorization": f"Bearer {plain}"})
    response = connection.getresponse()
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    try:
        yield response
    finally:
        connection.close()


def next_state(response: http.client.HTTPResponse, **expected: Any) -> dict[str, Any]:
    """The first state with these values, of the account or of the first session that runs."""
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        told = response.readline()
        if told.startswith(b"data: "):
            state: dict[str, Any] = json.loads(told[6:])
            if {**state, **next(iter(state["running"]), {})}.items() >= expected.items():
                return state
    raise AssertionError(f"nothing was said of {expected}")


def test_a_stream_follows_the_account_from_the_start_to_the_end(
    server: RunningServer, connect: Connect
) -> None:
    account, charger_id = line.add_driver(server, credit_wh=5000), new_id("live")
    tag = line.add_tag(server, account)
    with stream(server, account) as events:
        assert next_state(events, balance_kwh=5.0)["running"] == []
        charger = connect(server, f"/{charger_id}")
        line.ask(charger, "BootNotification", line.BOOT)
        number = line.start(charger, tag)
        assert next_state(events, charger=charger_id, connected=True, id=number)
        values = [{"value": "1500"}, {"value": "7.2", "unit": "kW", "measurand": "Power.Active.Import"}]
        sample = {"timestamp": line.ago(), "sampledValue": values}
        line.ask(charger, "MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [sample]})
        state = next_state(events, balance_kwh=3.5)
        assert state["running"][0].items() >= {"power_w": 7200, "energy_kwh": 1.5}.items()
        line.stop(charger, number, 2000)
        assert next_state(events, balance_kwh=3.0)["running"] == []


def test_a_stream_of_another_account_is_quiet(server: RunningServer, connect: Connect) -> None:
    mine, other = line.add_driver(server), line.add_driver(server)
    charger, next_one = (connect(server, f"/{new_id('quiet')}") for _ in range(2))
    with stream(server, mine) as events:
        first = next_state(events)
        number = line.start(charger, line.add_tag(server, other))
        line.meter(charger, 777, number)
        mine_too = line.start(next_one, line.add_tag(server, mine))
        line.meter(next_one, 1000, mine_too)
        state = next_state(events, energy_kwh=1.0)

    assert first["running"] == []
    assert [session["id"] for session in state["running"]] == [mine_too]
    assert state["total_kwh_spent"] == 1.0


# Who is told what, without a server


@pytest.fixture
def ana(work: UnitOfWork) -> Account:
    """The account of the driver who looks on."""
    return AccountFactory()


@pytest.fixture
def page(client: Browser, ana: Account) -> Browser:
    """Ana's browser."""
    return client.log_in(ana.user)


def watch(account: Account, **options: Any) -> my_feed.Watch:
    return my_feed.Watch(account.id, account.user.session_key, closing=lambda: False, **options)


def said(one: my_feed.Watch) -> list[dict[str, Any]]:
    """What a stream has to tell, now."""
    return [json.loads(text) for text in one._take().values()] if one._news else []


@both_databases
def test_each_is_told_of_their_own(work: UnitOfWork, ana: Account) -> None:
    bob, charger = AccountFactory(credited_wh=7), ChargerFactory()
    mine = TransactionFactory(account=ana, charger=charger, connector_id=1)
    his = TransactionFactory(account=bob, charger=charger, connector_id=2)
    ids = {ana.id, bob.id}
    db.session.commit()
    expected = {ana.id: mine.id, bob.id: his.id}

    states = my_feed.load(ids)

    told = {id: json.loads(state.text) for id, state in states.items()}
    assert {id: [one["id"] for one in state["running"]] for id, state in told.items()} == {
        id: [transaction] for id, transaction in expected.items()
    }
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@both_databases
def test_a_change_concerns_those_whose_session_runs_there_or_has_just_ended(
    work: UnitOfWork, ana: Account
) -> None:
    bob, charger = AccountFactory(), ChargerFactory(charger_id="HERE")
    TransactionFactory(account=ana, charger=charger)
    viewers = [watch(ana), watch(bob)]
    ids = (ana.id, bob.id)
    db.session.commit()

    assert my_feed._affected(viewers, {"HERE", "THERE"}) == {ids[0]}
    assert my_feed._affected(viewers, {"THERE"}) == set()
    viewers[1].places = frozenset({"THERE"})
    assert my_feed._affected(viewers, {"THERE"}) == {ids[1]}


def test_what_has_not_changed_is_not_told_again(ana: Account) -> None:
    one, state = watch(ana), my_feed.state_of(ana, [])

    one.offer(state)
    one.offer(state)
    assert len(said(one)) == 1
    one.offer(state)
    assert said(one) == []


def test_a_reader_who_is_slow_gets_the_newest_state(ana: Account) -> None:
    one = watch(ana)
    one.begin(my_feed.state_of(ana, []))
    for spent_wh in (1000, 2000):
        ana.spent_wh = spent_wh
        one.offer(my_feed.state_of(ana, []))

    assert [state["balance_kwh"] for state in said(one)] == [98]


def test_a_stream_ends_when_its_login_does(work: UnitOfWork, ana: Account) -> None:
    locked, logged_out, token = watch(ana), watch(ana), my_feed.Watch(ana.id, None, closing=lambda: False)
    users.set_password(ana.user, "correct horse")
    for one in (logged_out, token):
        one.offer(my_feed.state_of(ana, []))
    assert (logged_out._ended, token._ended) == (True, False)

    users.lock(ana.user)
    for one in (locked, token):
        one.offer(my_feed.state_of(ana, []))
    assert (locked._ended, token._ended) == (True, True)
    assert list(token.read()) == ["retry: 3000\n\n"]


def test_streams_are_bounded_for_all_and_for_each(
    app: Flask, page: Browser, work: UnitOfWork, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_feed, "MAX_STREAMS_PER_ACCOUNT", 1)
    other: Browser = app.test_client()  # type: ignore[assignment]
    other.log_in(AccountFactory().user)
    first = page.get("/ocpp/my/events/", buffered=False)
    assert next(iter(first.response))
    assert page.get("/ocpp/my/events/").status_code == 503
    second = other.get("/ocpp/my/events/", buffered=False)
    assert second.status_code == 200
    second.close()

    monkeypatch.setattr(my_feed, "MAX_STREAMS", 1)
    refused = other.get("/ocpp/my/events/")
    assert (refused.status_code, set(refused.json)) == (503, {"detail"})
    first.close()
    assert my_feed.watchers_of(app).present() == []


@pytest.fixture
def new_watchers(app: Flask) -> None:
    """Nobody has looked on yet: the reader of another test follows that test's engine."""
    app.extensions.pop("ocpp_watchers", None)


@pytest.mark.usefixtures("new_watchers")
def test_credit_arrives_though_no_charger_says_a_word(
    page: Browser, work: UnitOfWork, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_feed, "REFRESH_S", 0.05)
    answer = page.get("/ocpp/my/events/", buffered=False)
    events = (json.loads(text[19:]) for text in answer.response if text.startswith(b"event: state"))
    assert next(events)["balance_kwh"] == 100

    add_credit(work, ana, "9", None)
    db.session.commit()

    assert next(event["balance_kwh"] for event in events if event["balance_kwh"] != 100) == 109
    answer.close()


@pytest.mark.usefixtures("new_watchers")
def test_one_reader_serves_them_all(app: Flask, page: Browser, work: UnitOfWork, ana: Account) -> None:
    other: Browser = app.test_client()  # type: ignore[assignment]
    other.log_in(AccountFactory().user)
    answers = [browser.get("/ocpp/my/events/", buffered=False) for browser in (page, page, other)]
    for answer in answers:
        next(iter(answer.response))

    eventually(lambda: live.followers() == 1)
    time.sleep(0.05)
    assert live.followers() == 1
    for answer in answers:
        answer.close()
