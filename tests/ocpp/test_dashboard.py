"""The live dashboard, its events, and the log page: what they show, to whom, and that they follow."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import event, insert

from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.feeds import chargers as feed
from app.blueprints.ocpp.models import Charger, OcppMessage
from app.blueprints.ocpp.services import message_log, overview
from app.clock import utcnow
from app.db import UnitOfWork, db, unit_of_work
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ChargerDayFactory,
    ChargerFactory,
    ConnectorFactory,
    TransactionFactory,
    UserFactory,
)
from tests.ocpp.charge_point import new_id
from tests.ocpp.conftest import Connect
from tests.servers import RunningServer, running_server

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
SECRETS = ("DEADBEEF", "ana-the-driver", "203.0.113.7", "a message", "Boot-Vendor")


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of the chargers that are connected."""
    ids: set[str] = set()
    monkeypatch.setattr(
        dispatch, "presence", lambda: {id: dispatch.Presence(NOON, "203.0.113.7") for id in ids}
    )
    return ids


@pytest.fixture
def driver(app: Flask) -> Browser:
    """The browser of a logged-in driver."""
    browser: Browser = app.test_client()  # type: ignore[assignment]
    with app.app_context(), unit_of_work() as work:
        return browser.log_in(create_user(work, "driver"))


@pytest.fixture
def private(overrides: dict[str, Any]) -> None:
    """Only staff see the dashboard."""
    overrides["PUBLIC_DASHBOARD"] = False


def events_of(answer: Any) -> Iterator[list[dict[str, Any]]]:
    """The rows of each event of a stream."""
    for chunk in answer.iter_encoded():
        if b"event: chargers\n" in chunk:
            yield json.loads(chunk.rpartition(b"data: ")[2])


def first_event(client: Browser, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/ocpp/events/{query}", buffered=False)
    assert answer.status_code == 200
    try:
        return next(events_of(answer))
    finally:
        answer.close()


def secretive(work: UnitOfWork) -> None:
    """A charger about which there is much to keep quiet."""
    account = AccountFactory(user=UserFactory(username="ana-the-driver", account=None))
    charger = ChargerFactory(
        charger_id="CP1", last_address="203.0.113.7", vendor="Boot-Vendor", boot={"a": "Boot-Vendor"}
    )
    ConnectorFactory(charger=charger, status="Charging", info="a message", vendor_error_code="a message")
    TransactionFactory(charger=charger, id_tag="DEADBEEF", account=account, energy_wh=1234)
    work.add(OcppMessage(charger_id=charger.id, direction="in", request="a message"))


# Who may look


def test_anybody_may_look(client: Browser, driver: Browser, staff: Browser) -> None:
    for browser in (client, driver, staff):
        assert browser.get("/ocpp/").status_code == 200


@pytest.mark.usefixtures("private")
def test_a_private_dashboard_is_for_staff(client: Browser, driver: Browser, staff: Browser) -> None:
    stranger = client.get("/ocpp/?q=x")
    assert stranger.status_code == 302
    assert stranger.location == "/login/?next=/ocpp/?q%3Dx"
    assert driver.get("/ocpp/").status_code == 403
    assert staff.get("/ocpp/").status_code == 200

    refused = client.get("/ocpp/events/")
    assert (refused.status_code, set(refused.json)) == (401, {"detail"})
    assert driver.get("/ocpp/events/").status_code == 403
    answer = staff.get("/ocpp/events/", buffered=False)
    assert answer.status_code == 200
    answer.close()


def test_nothing_private_is_shown(client: Browser, work: UnitOfWork, online: set[str]) -> None:
    online.add("CP1")
    secretive(work)

    shown = client.get("/ocpp/").text + json.dumps(first_event(client))

    assert "CP1" in shown
    assert [secret for secret in SECRETS if secret.lower() in shown.lower()] == []


# What it shows


def test_the_newcomer_is_told_how_to_begin(client: Browser) -> None:
    page = client.get("/ocpp/", base_url="http://192.0.2.1:8000").text

    assert "ws://192.0.2.1:8000/ocpp/CP1" in page
    assert "flask simulate" in page
    assert (
        "wss://charge.example.com/ocpp/CP1"
        in client.get("/ocpp/", base_url="https://charge.example.com").text
    )


@both_databases
def test_a_card_tells_state_power_and_energy(client: Browser, work: UnitOfWork, online: set[str]) -> None:
    online.add("CP1")
    charger = ChargerFactory(charger_id="CP1", name="Yard", last_seen=utcnow() - timedelta(minutes=3))
    ConnectorFactory(charger=charger, connector_id=1, status="Charging", power_w=7360)
    ConnectorFactory(charger=charger, connector_id=2, status="Available")
    TransactionFactory(charger=charger, connector_id=1, energy_wh=12_345)
    ChargerDayFactory(charger_id=charger.id, day=utcnow().date(), energy_wh=4500)
    ChargerDayFactory(charger_id=charger.id, day=utcnow().date() - timedelta(days=1), energy_wh=9000)

    page = client.get("/ocpp/").text

    for text in ("Yard", "CP1", "Charging", "7.4 kW", "12.35 kWh", "4.5 kWh", "3 minutes ago", "Available"):
        assert text in page
    (row,) = first_event(client)
    assert row == {
        "charger_id": "CP1", "name": "Yard", "state": "charging", "connected": True,
        "last_seen": row["last_seen"], "power_w": 7360, "energy_kwh": 12.345,
        "energy_today_kwh": 4.5,
        "connectors": [
            {"connector_id": 1, "status": "Charging", "power_w": 7360, "energy_kwh": 12.345},
            {"connector_id": 2, "status": "Available", "power_w": None, "energy_kwh": None},
        ],
    }  # fmt: skip


def test_what_a_charger_says_stays_text(client: Browser, work: UnitOfWork) -> None:
    evil = '<script>alert("1")</script>'
    charger = ChargerFactory(charger_id=evil, name="</script><b>")
    ConnectorFactory(charger=charger, status="<i>odd</i>")

    page = client.get("/ocpp/").text

    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "<i>odd" not in page
    assert first_event(client)[0]["charger_id"] == evil


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, "connected"),
        ({0: "Available"}, "connected"),
        ({1: "Available"}, "available"),
        ({1: "Available", 2: "Charging"}, "charging"),
        ({1: "Charging", 2: "Faulted"}, "faulted"),
        ({0: "Unavailable", 1: "Available"}, "unavailable"),
        ({0: "Available", 1: "Unavailable"}, "unavailable"),
        ({1: "SuspendedEVSE", 2: "Available"}, "suspended"),
        ({1: "Finishing"}, "finishing"),
        ({1: "Preparing"}, "preparing"),
        ({1: "Reserved"}, "reserved"),
        ({1: "SomethingElse"}, "connected"),
    ],
)
def test_a_chargers_state_is_its_most_urgent_connector(
    work: UnitOfWork, statuses: dict[int, str], expected: str
) -> None:
    charger = ChargerFactory()
    for number, status in statuses.items():
        ConnectorFactory(charger=charger, connector_id=number, status=status)
    work.flush()
    work.expire_all()

    assert overview.Overview(charger, NOON, (), charger.connectors).state == expected


@pytest.mark.parametrize(
    ("columns", "connected", "expected"),
    [
        ({}, False, "offline"),
        ({"blocked": True}, True, "blocked"),
        ({"registration_status": "Pending"}, True, "pending"),
        ({"registration_status": "Rejected"}, True, "rejected"),
        ({"registration_status": "Pending"}, False, "offline"),
    ],
)
def test_what_staff_decided_goes_first(
    work: UnitOfWork, columns: dict[str, Any], connected: bool, expected: str
) -> None:
    charger = ChargerFactory(**columns)

    assert overview.Overview(charger, NOON if connected else None, (), charger.connectors).state == expected


def test_a_reading_of_yesterday_is_no_power_of_now(work: UnitOfWork) -> None:
    charger = ChargerFactory()
    ConnectorFactory(charger=charger, connector_id=1, status="Available", power_w=7000)
    work.expire_all()

    assert overview.Overview(charger, NOON, (), charger.connectors).power_w is None
    assert overview.Overview(charger, None, (), charger.connectors).power_w is None


def test_a_meter_of_the_whole_charger_counts_when_no_other_tells(work: UnitOfWork) -> None:
    charger = ChargerFactory()
    ConnectorFactory(charger=charger, connector_id=0, power_w=5000)
    running = TransactionFactory(charger=charger, connector_id=1, energy_wh=100)
    work.expire_all()

    assert overview.Overview(charger, NOON, [running], charger.connectors).power_w == 5000


@both_databases
def test_many_chargers_come_in_pages_of_100(client: Browser, work: UnitOfWork) -> None:
    for number in range(101):
        ChargerFactory(charger_id=f"P{number:03}")

    first, second = client.get("/ocpp/").text, client.get("/ocpp/?page=2").text

    assert first.count("data-charger=") == 100 + 1  # and the pattern that the script copies
    assert 'data-charger="P100"' in second
    assert "101 chargers" in first
    assert [row["charger_id"] for row in first_event(client, "?page=2")] == ["P100"]
    assert "There is no such page." in client.get("/ocpp/?page=3").text
    assert client.get("/ocpp/?per_page=1000").text.count("data-charger=") == 101 + 1


def test_searching(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="one", name="North")
    ChargerFactory(charger_id="two")

    page = client.get("/ocpp/?q=nor").text

    assert 'data-charger="one"' in page
    assert 'data-charger="two"' not in page
    assert [row["charger_id"] for row in first_event(client, "?q=nor")] == ["one"]
    nothing = client.get("/ocpp/?q=%3Cb%3E").text
    assert "No charger is like this." in nothing
    assert "<b>" not in nothing


@both_databases
def test_filters_and_the_kind_of_list_stay_in_the_address(
    client: Browser, work: UnitOfWork, online: set[str]
) -> None:
    online |= {"A", "B"}
    for name, status in (("A", "Charging"), ("B", "Available"), ("C", "Charging")):
        ConnectorFactory(charger=ChargerFactory(charger_id=name), status=status)

    def shown(query: str) -> list[str]:
        return re.findall(r'data-charger="(.+?)"', client.get(f"/ocpp/{query}").text)

    assert shown("") == ["A", "B", "C"]
    assert shown("?state=charging") == ["A"]  # the others say so, but nobody hears them
    assert shown("?connected=0&view=table") == ["C"]
    assert shown("?connected=1&q=b") == ["B"]
    assert [row["charger_id"] for row in first_event(client, "?state=charging")] == ["A"]

    page = client.get("/ocpp/?state=charging&connected=1&view=table&per_page=1")
    for kept in ('href="?state=charging&amp;connected=1&amp;view=cards&amp;per_page=1"', "<tbody"):
        assert kept in page.text.replace("/ocpp/?", "?")
    assert client.get("/ocpp/?state=nonsense").status_code == 400
    assert client.get("/ocpp/?connected=perhaps").status_code == 400
    assert client.get("/ocpp/?view=nonsense").status_code == 200


@both_databases
def test_the_whole_site_is_added_up_whatever_is_shown(
    client: Browser, work: UnitOfWork, online: set[str]
) -> None:
    online |= {"A", "B"}
    for name, power_w in (("A", 7000), ("B", 4360), ("C", 9999)):
        charger = ChargerFactory(charger_id=name)
        ConnectorFactory(charger=charger, status="Charging", power_w=power_w)
        ChargerDayFactory(charger_id=charger.id, day=utcnow().date(), energy_wh=1000)

    answer = client.get("/ocpp/events/?q=A", buffered=False)
    text = next(chunk for chunk in answer.iter_encoded() if chunk.startswith(b"event: site"))
    answer.close()

    assert json.loads(text.split(b"\n")[1].removeprefix(b"data: ")) == {
        "chargers": 3, "connected": 2, "charging": 2, "power_w": 11360, "energy_today_kwh": 3.0,
    }  # fmt: skip
    page = client.get("/ocpp/?q=A").text
    for total in ('power">11.4 kW', 'today">3 kWh', 'charging">2', 'connected">2 of 3'):
        assert f'data-total="{total}' in page


def test_hundreds_of_chargers_take_as_many_statements_as_one(
    client: Browser, work: UnitOfWork, online: set[str]
) -> None:
    def statements() -> int:
        db.session.commit()
        seen: list[str] = []
        listen = lambda *call: seen.append(call[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        assert client.get("/ocpp/?per_page=1000").status_code == 200
        event.remove(db.engine, "before_cursor_execute", listen)
        return len(seen)

    ConnectorFactory(charger=ChargerFactory())
    statements()  # what is asked once for all
    few = statements()
    work.execute(insert(Charger), [{"charger_id": f"N{number}"} for number in range(499)])

    assert statements() == few


def test_a_page_that_is_no_number(app: Flask, client: Browser) -> None:
    assert client.get("/ocpp/?page=x").status_code == 400
    answer = client.get("/ocpp/events/?page=x")
    assert (answer.status_code, set(answer.json)) == (400, {"detail"})
    assert feed.feed_of(app).present() == []


def test_on_the_subdomain(client: Browser, work: UnitOfWork, app: Flask) -> None:
    ChargerFactory(charger_id="CP1")

    page = client.get("/dashboard/", base_url=f"http://ocpp.{app.config['SERVER_NAME']}").text

    assert 'data-charger="CP1"' in page
    assert 'data-events="/ocpp/events/"' in page


def test_links_to_a_chargers_page_and_its_log_are_for_staff(
    client: Browser, staff: Browser, work: UnitOfWork
) -> None:
    ChargerFactory(charger_id="A:1 #ñ?")
    link = "/ocpp/chargers/A:1%20%23%C3%B1%3F/page/"
    log = "/ocpp/log/A:1%20%23%C3%B1%3F/"

    assert link in staff.get("/ocpp/").text
    assert log in staff.get(link).text
    assert staff.get(log).status_code == 200
    stranger = client.get("/ocpp/").text
    assert "/page/" not in stranger
    assert "/ocpp/log/" not in stranger


# Events


def test_viewers_are_counted_out(app: Flask, client: Browser, work: UnitOfWork) -> None:
    ChargerFactory()
    db.session.commit()

    answer = client.get("/ocpp/events/", buffered=False)
    next(events_of(answer))
    assert len(feed.feed_of(app).present()) == 1
    answer.close()
    client.head("/ocpp/events/").close()

    assert feed.feed_of(app).present() == []


def test_a_viewer_holds_no_database_connection(app: Flask, client: Browser) -> None:
    with app.app_context():
        ChargerFactory()
        db.session.commit()
    answer = client.get("/ocpp/events/", buffered=False)
    next(events_of(answer))

    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    answer.close()


def test_too_many_viewers(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_VIEWERS", 0)

    answer = client.get("/ocpp/events/")

    assert (answer.status_code, set(answer.json)) == (503, {"detail"})


@contextmanager
def stream(server: RunningServer, query: str = "") -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", f"/ocpp/events/{query}")
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    try:
        yield response
    finally:
        connection.close()


def wait_for(response: http.client.HTTPResponse, charger_id: str, **expected: Any) -> dict[str, Any]:
    """The first row of a charger with these values."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        line = response.readline()
        if not line.startswith(b"data: "):
            continue
        told = json.loads(line[6:])
        for row in told if isinstance(told, list) else ():  # a dict is the site
            if row["charger_id"] == charger_id and row.items() >= expected.items():
                return row
    raise AssertionError(f"nothing was said of {charger_id} with {expected}")


def test_the_dashboard_follows_the_line(server: RunningServer, connect: Connect) -> None:
    charger_id = new_id("live ñ#:")
    with stream(server, f"?q={quote(charger_id)}") as events:
        charger = connect(server, f"/ocpp/{quote(charger_id, safe='')}")
        assert wait_for(events, charger_id, connected=True)["state"] == "connected"
        charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        charger.ask("StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"})
        assert wait_for(events, charger_id, state="charging")
        start = {"connectorId": 1, "idTag": "SECRET-TAG", "meterStart": 0, "timestamp": utcnow().isoformat()}
        number = charger.ask("StartTransaction", start)[2]["transactionId"]
        values = [
            {"value": "1500", "unit": "Wh"},
            {"value": "7.2", "unit": "kW", "measurand": "Power.Active.Import"},
        ]
        sample = {"timestamp": utcnow().isoformat(), "sampledValue": values}
        charger.ask("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [sample]})
        row = wait_for(events, charger_id, power_w=7200)
        assert row["energy_kwh"] == 1.5
        assert "SECRET-TAG" not in json.dumps(row)
        charger.hang_up()
        assert wait_for(events, charger_id, connected=False)["state"] == "offline"


def test_a_stream_that_watches_others_is_quiet(server: RunningServer, connect: Connect) -> None:
    mine, other = new_id("mine"), new_id("other")
    with stream(server, f"?q={mine}") as events:
        connect(server, f"/{other}")
        connect(server, f"/{mine}")
        deadline = time.monotonic() + 10
        while (line := events.readline()) and time.monotonic() < deadline:
            assert other.encode() not in line
            if mine.encode() in line:
                return


def test_a_stopping_server_ends_its_streams(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, stream(server) as events:
        events.readline()
        began = time.monotonic()
        assert server.process is not None
        server.process.terminate()
        events.read()  # returns at the stream's end

        assert time.monotonic() - began < 4


# The log


def test_the_log_is_for_staff(client: Browser, driver: Browser, staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")

    assert client.get("/ocpp/log/CP1/").location == "/login/?next=/ocpp/log/CP1/"
    assert client.get("/ocpp/log/CP1/news/").status_code == 401
    for path in ("/ocpp/log/CP1/", "/ocpp/log/CP1/news/"):
        assert driver.get(path).status_code == 403
        assert staff.get(path).status_code == 200


def test_a_token_reads_no_log_page(client: Browser, api_headers: dict[str, str], work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")

    assert client.get("/ocpp/log/CP1/", headers=api_headers).status_code == 403


@pytest.fixture
def api_headers(app: Flask) -> dict[str, str]:
    """Headers with an API token."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}


def test_the_log_of_nobody(staff: Browser) -> None:
    assert staff.get("/ocpp/log/nobody/").status_code == 404
    answer = staff.get("/ocpp/log/nobody/news/")
    assert (answer.status_code, answer.json) == (404, {"detail": "not found"})


def say(work: UnitOfWork, charger: Any, request: str, **columns: Any) -> OcppMessage:
    message = OcppMessage(
        charger_id=charger.id, direction=columns.pop("direction", "in"), request=request, **columns
    )
    work.add(message)
    work.flush()
    return message


@both_databases
def test_the_log_shows_the_exchange_newest_last(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")
    say(work, charger, '[2,"1","Heartbeat",{}]', answer='[3,"1",{}]', action="Heartbeat")
    say(work, charger, '[2,"2","Reset",{}]', action="Reset", direction="out", error_code="no answer in time")
    say(work, charger, "<script>alert(1)</script>", deviations="idTag: too long\nodd <b>")

    page = staff.get("/ocpp/log/CP1/").text

    assert page.index("Heartbeat") < page.index("Reset") < page.index("alert(1)")
    assert "&gt; [2,&#34;1&#34;" in page
    assert "&lt; [3,&#34;1&#34;" in page
    assert "no answer in time" in page
    assert "idTag: too long" in page
    assert "<script>alert" not in page
    assert "odd <b>" not in page


@both_databases
def test_the_log_can_be_searched(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")
    say(work, charger, "needle 100%", action="Authorize")
    say(work, charger, "hay")
    say(work, charger, "straw", answer="a NEEDLE too")

    found = staff.get("/ocpp/log/CP1/?q=needle").text
    assert "needle 100%" in found
    assert "a NEEDLE too" in found
    assert "hay" not in found
    assert "needle 100%" in staff.get("/ocpp/log/CP1/?q=%25").text
    assert "straw" not in staff.get("/ocpp/log/CP1/?q=%25").text
    assert "Nothing here matches" in staff.get("/ocpp/log/CP1/?q=%00zzz").text


def test_a_search_goes_through_everything_in_pieces(
    staff: Browser, work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_log, "SEARCHED_AT_ONCE", 2)
    charger = ChargerFactory(charger_id="CP1")
    for number in range(7):
        say(work, charger, f"{'needle' if number % 3 == 0 else 'hay'}-{number}")

    page = staff.get("/ocpp/log/CP1/?q=needle").text

    assert page.index("needle-0") < page.index("needle-3") < page.index("needle-6")
    assert "hay" not in page


def test_older_messages_are_a_page_away(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")
    for number in range(205):
        say(work, charger, f"message-{number:03}")

    newest = staff.get("/ocpp/log/CP1/").text
    assert "message-204" in newest
    assert "message-004" not in newest
    link = newest.split("/ocpp/log/CP1/?before=")[1].split('"')[0]
    older = staff.get(f"/ocpp/log/CP1/?before={link}").text
    assert "message-004" in older
    assert "message-005" not in older
    assert "data-news" not in older  # nothing new comes to an old page


def test_the_log_follows(staff: Browser, work: UnitOfWork) -> None:
    charger, other = ChargerFactory(charger_id="CP1"), ChargerFactory(charger_id="CP2")
    first = say(work, charger, "one").id
    second = say(work, charger, "<b>two</b>").id
    say(work, other, "elsewhere")

    news = staff.get(f"/ocpp/log/CP1/news/?after={first}").json["messages"]

    assert [message["id"] for message in news] == [second]
    assert "&lt;b&gt;two" in news[0]["html"]
    assert staff.get(f"/ocpp/log/CP1/news/?after={second}").json == {"after": second, "messages": []}
    nothing = staff.get(f"/ocpp/log/CP1/news/?after={first}&q=nothing").json
    assert nothing == {"after": second, "messages": []}  # what does not match is not searched again
    assert f'data-after="{second}"' in staff.get("/ocpp/log/CP1/?q=nothing").text
    assert staff.get("/ocpp/log/CP1/news/?after=x").status_code == 400
