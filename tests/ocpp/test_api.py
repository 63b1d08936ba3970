"""The JSON addresses of ocpp: right answers, wrong input, and who may call."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import event

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.models import MeterReading, OcppMessage, Transaction
from app.blueprints.ocpp.services import history
from app.clock import utcnow
from app.db import UnitOfWork, db, unit_of_work
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import AccountFactory, ChargerFactory, ConnectorFactory, TransactionFactory, UserFactory
from tests.ocpp.conftest import Connect
from tests.ocpp.staff import Api, eventually
from tests.servers import RunningServer

JANUARY = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
ADDRESSES = (
    ("GET", "/ocpp/chargers/"),
    ("GET", "/ocpp/chargers/CP/"),
    ("POST", "/ocpp/chargers/CP/action/"),
    ("GET", "/ocpp/transactions/"),
    ("GET", "/ocpp/transactions/1/"),
    ("POST", "/ocpp/transactions/1/close/"),
)
KEYS = {
    "charger_id", "name", "config", "require_rfid", "transaction", "lastHeartbeat", "lastMeterValues",
    "connected",
}  # fmt: skip


@pytest.fixture
def token(app: Flask) -> dict[str, str]:
    """Headers with an API token, of the user ``robot``, who is no staff."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}


@pytest.fixture
def driver(app: Flask) -> Browser:
    """The browser of a logged-in driver."""
    browser: Browser = app.test_client()  # type: ignore[assignment]
    with app.app_context(), unit_of_work() as work:
        return browser.log_in(create_user(work, "driver"))


def get(client: Browser, path: str, headers: dict[str, str]) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json


# Who may call


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_strangers_are_told_to_log_in(client: Browser, method: str, path: str) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == 401
    assert set(answer.json) == {"detail"}


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_drivers_are_refused(driver: Browser, method: str, path: str) -> None:
    answer = driver.submit(path) if method == "POST" else driver.get(path)

    assert answer.status_code == 403
    assert set(answer.json) == {"detail"}


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_staff_and_tokens_get_through(
    client: Browser, staff: Browser, token: dict[str, str], method: str, path: str
) -> None:
    by_session = staff.submit(path) if method == "POST" else staff.get(path)
    by_token = client.open(path, method=method, headers=token)

    assert by_session.status_code == by_token.status_code
    assert by_token.status_code in (200, 400, 404)


@pytest.mark.parametrize("path", ["/ocpp/chargers/CP/action/", "/ocpp/transactions/1/close/"])
def test_a_session_must_prove_that_our_page_sent_it(staff: Browser, path: str) -> None:
    assert staff.post(path).status_code == 400


def test_wrong_methods(client: Browser, token: dict[str, str]) -> None:
    action = client.get("/ocpp/chargers/CP/action/", headers=token)

    assert (action.status_code, action.json) == (400, {"detail": "POST required"})
    assert client.get("/ocpp/transactions/1/close/", headers=token).status_code == 405
    assert client.get("/ocpp/chargers/CP/action/").status_code == 401  # who may call is decided first


# Chargers


@both_databases
def test_the_list_has_the_promised_keys(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    ChargerFactory(charger_id="CP1", name="Yard", config={"a": [1]}, last_meter_values={"connectorId": 1})

    listed = get(client, "/ocpp/chargers/", token)

    (charger,) = listed["chargers"]
    assert set(charger) >= KEYS
    assert charger["charger_id"] == "CP1"
    assert charger["name"] == "Yard"
    assert charger["config"] == {"a": [1]}
    assert charger["lastMeterValues"] == {"connectorId": 1}
    assert charger["require_rfid"] is False
    assert charger["connected"] is False
    assert charger["transaction"] is None
    assert charger["lastHeartbeat"] is None
    assert (listed["page"], listed["pages"], listed["total"]) == (1, 1, 1)


def test_an_empty_installation(client: Browser, token: dict[str, str]) -> None:
    assert get(client, "/ocpp/chargers/", token)["chargers"] == []


def test_connected_says_what_the_line_knows(
    client: Browser, work: UnitOfWork, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ChargerFactory(charger_id="CP1", last_heartbeat=JANUARY)
    monkeypatch.setattr(dispatch, "presence", lambda: {"CP1": dispatch.Presence(JANUARY, "10.0.0.1")})

    (charger,) = get(client, "/ocpp/chargers/", token)["chargers"]

    assert charger["connected"] is True
    assert charger["connected_since"] == charger["lastHeartbeat"] == "2026-01-10T12:00:00Z"


def test_the_running_transaction_goes_before_a_newer_one(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    charger = ChargerFactory()
    running = TransactionFactory(charger=charger, connector_id=1, meter_start_wh=7, started_at=JANUARY)
    TransactionFactory(charger=charger, connector_id=2, stopped_at=utcnow(), meter_stop_wh=9)
    expected = running.id

    (told,) = get(client, "/ocpp/chargers/", token)["chargers"]

    assert told["transaction"]["transactionId"] == expected
    assert told["transaction"]["meterStart"] == 7
    assert told["transaction"]["startTime"] == "2026-01-10T12:00:00Z"
    assert "meterStop" not in told["transaction"]
    assert "stopTime" not in told["transaction"]


def test_else_the_newest_transaction_is_told(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    charger = ChargerFactory()
    TransactionFactory(charger=charger, stopped_at=JANUARY)
    newest = TransactionFactory(charger=charger, stopped_at=JANUARY, meter_stop_wh=1500).id

    (told,) = get(client, "/ocpp/chargers/", token)["chargers"]

    assert told["transaction"]["transactionId"] == newest
    assert told["transaction"]["meterStop"] == 1500
    assert told["transaction"]["stopTime"] == "2026-01-10T12:00:00Z"


def test_a_refused_start_does_not_run(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    charger = ChargerFactory()
    real = TransactionFactory(charger=charger, connector_id=1).id
    TransactionFactory(charger=charger, connector_id=2, refused="unknown")

    told = get(client, f"/ocpp/chargers/{charger.charger_id}/", token)

    assert told["transaction"]["transactionId"] == real
    assert told["transactions"][0]["refused"] == "unknown"


@both_databases
def test_pages(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    for number in range(5):
        ChargerFactory(charger_id=f"P{number}")

    last = get(client, "/ocpp/chargers/?page=3&per_page=2", token)

    assert [charger["charger_id"] for charger in last["chargers"]] == ["P4"]
    assert (last["page"], last["pages"], last["per_page"], last["total"]) == (3, 3, 2, 5)
    assert get(client, "/ocpp/chargers/?page=9&per_page=2", token)["chargers"] == []


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=-1", "per_page=0", "per_page=100000", "page=1e9"]
)
def test_a_page_that_is_no_number(client: Browser, token: dict[str, str], query: str) -> None:
    answer = client.get(f"/ocpp/chargers/?{query}", headers=token)

    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json["detail"]


@both_databases
def test_searching(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    ChargerFactory(charger_id="one", name="North gate")
    ChargerFactory(charger_id="two%")

    for query, expected in (("north", ["one"]), ("%25", ["two%"]), ("ON", ["one"]), ("nothing", [])):
        listed = get(client, f"/ocpp/chargers/?q={query}", token)
        assert [charger["charger_id"] for charger in listed["chargers"]] == expected


@pytest.mark.parametrize(
    "charger_id", ["A:1.b", "with space", "hash#1", "Ñandú-充電", "a?b&c", "100%", "a;b", "a+b"]
)
def test_any_id_can_be_asked_for(
    client: Browser, work: UnitOfWork, token: dict[str, str], charger_id: str
) -> None:
    ChargerFactory(charger_id=charger_id)

    assert get(client, f"/ocpp/chargers/{quote(charger_id, safe='')}/", token)["charger_id"] == charger_id


@both_databases
def test_a_charger_in_detail(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    charger = ChargerFactory(charger_id="CP1", vendor="Acme", registration_status="Pending")
    ConnectorFactory(charger=charger, connector_id=0, status="Available")
    ConnectorFactory(charger=charger, connector_id=1, status="Charging", meter_wh=2500, power_w=7000)
    running = TransactionFactory(charger=charger, connector_id=1, energy_wh=2500).id
    for _ in range(25):
        TransactionFactory(charger=charger, connector_id=2, stopped_at=utcnow())

    told = get(client, "/ocpp/chargers/CP1/", token)

    assert set(told) >= KEYS | {"log", "connectors", "transactions"}
    assert len(told["transactions"]) == 20
    assert told["transaction"]["transactionId"] == running
    (connector,) = told["connectors"]
    assert connector["connector_id"] == 1
    assert connector["status"] == "Charging"
    assert connector["energy_kwh"] == 2.5
    assert connector["meter_wh"] == 2500
    assert connector["transactionId"] == running
    assert told["registration_status"] == "Pending"


def test_the_log_is_newest_last_and_of_200_lines(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    charger = ChargerFactory(charger_id="CP1")
    for number in range(150):
        at = JANUARY + timedelta(seconds=number)
        work.add(
            OcppMessage(
                charger_id=charger.id,
                direction="in",
                at=at,
                answered_at=at,
                request=f"q{number}",
                answer=f"a{number}",
            )
        )
    work.add(OcppMessage(charger_id=charger.id, direction="out", at=utcnow(), request="ours", answer=None))

    log = get(client, "/ocpp/chargers/CP1/", token)["log"]

    assert len(log) == 200
    assert log[-3:] == ["> q149", "< a149", "< ours"]


@pytest.mark.parametrize("path", ["nobody", "%00", "a" * 300, "%F0%9F%94%8C"])
def test_an_unknown_charger(client: Browser, token: dict[str, str], path: str) -> None:
    answer = client.get(f"/ocpp/chargers/{path}/", headers=token)

    assert (answer.status_code, answer.json) == (404, {"detail": "not found"})


@both_databases
def test_lists_ask_a_constant_number_of_questions(
    app: Flask, client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    counts = []
    client.get("/ocpp/chargers/", headers=token)  # the first request reads the site map
    for _ in range(2):
        for _ in range(4):
            charger = ChargerFactory()
            ConnectorFactory(charger=charger, connector_id=1)
            TransactionFactory(charger=charger, connector_id=1)
            TransactionFactory(charger=charger, connector_id=2, stopped_at=utcnow())
        for path in (
            "/ocpp/chargers/",
            f"/ocpp/chargers/{charger.charger_id}/",
            "/ocpp/transactions/",
            "/ocpp/",
        ):
            counts.append(_statements(client, path, token))

    assert counts[:4] == counts[4:]


def _statements(client: Browser, path: str, headers: dict[str, str]) -> tuple[str, int]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    db.session.commit()
    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert client.get(path, headers=headers).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    selects = [statement for statement in statements if statement.lstrip().upper().startswith("SELECT")]
    return path.split("/")[2], len(selects)


# Actions


def test_an_action_needs_a_connection(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    ChargerFactory(charger_id="CP1")

    for body in ({"action": "reset"}, {"action": "remote_start", "id_tag": "A"}):
        answer = client.post("/ocpp/chargers/CP1/action/", json=body, headers=token)
        assert (answer.status_code, answer.json) == (404, {"detail": "no connection"})


@pytest.mark.parametrize("body", [{}, [], {"action": "dance"}, {"action": 3}, "x", None])
def test_an_unknown_action(client: Browser, token: dict[str, str], body: Any) -> None:
    answer = client.post("/ocpp/chargers/CP1/action/", json=body, headers=token)

    assert (answer.status_code, answer.json) == (400, {"detail": "unknown action"})


def test_a_wrong_parameter_is_named(client: Browser, token: dict[str, str]) -> None:
    body = {"action": "reset", "type": "Gentle"}
    answer = client.post("/ocpp/chargers/CP1/action/", json=body, headers=token)

    assert answer.status_code == 400
    assert "type" in answer.json["detail"]


def test_a_form_is_as_good_as_json(client: Browser, token: dict[str, str]) -> None:
    answer = client.post("/ocpp/chargers/CP1/action/", data={"action": "dance"}, headers=token)
    broken = client.post(
        "/ocpp/chargers/CP1/action/", data="{not json", content_type="application/json", headers=token
    )

    assert answer.json == broken.json == {"detail": "unknown action"}


def test_remote_stop_needs_a_transaction(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    ChargerFactory(charger_id="CP1")

    answer = client.post("/ocpp/chargers/CP1/action/", json={"action": "remote_stop"}, headers=token)

    assert (answer.status_code, answer.json) == (404, {"detail": "no transaction"})


def test_an_action_returns_what_was_sent_and_the_answer(
    server: RunningServer, api: Api, connect: Connect, rows: Any
) -> None:
    charger = connect(server, "/ocpp/act-1")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    with charger.serving({"Reset": {"status": "Accepted"}}):
        status, body = api.action("act-1", "reset")

    assert status == 200
    assert body["response"] == {"status": "Accepted"}
    assert json.loads(body["sent"])[2:] == ["Reset", {"type": "Soft"}]
    (entry,) = rows("SELECT * FROM audit_entry WHERE action = 'command' AND subject_id = 'act-1'")
    assert entry["username"]
    assert json.loads(entry["details"])["response"] == {"status": "Accepted"}


def test_a_key_is_not_remembered_in_plain(
    server: RunningServer, api: Api, connect: Connect, rows: Any
) -> None:
    charger = connect(server, "/ocpp/act-2")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    with charger.serving({"ChangeConfiguration": {"status": "Accepted"}}):
        status, _ = api.action(
            "act-2", "change_configuration", key="AuthorizationKey", value="correct-horse-battery"
        )

    assert status == 200
    (entry,) = rows("SELECT details FROM audit_entry WHERE subject_id = 'act-2'")
    assert "correct-horse" not in entry["details"]


def test_a_charger_that_says_nothing(server: RunningServer, api: Api, connect: Connect) -> None:
    charger = connect(server, "/ocpp/act-3")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})

    status, body = api.action("act-3", "clear_cache", timeout=0.3)

    assert status == 504
    assert set(body) == {"detail"}


def test_the_list_follows_the_line(server: RunningServer, api: Api, connect: Connect) -> None:
    charger = connect(server, "/ocpp/act-4")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    charger.ask("Heartbeat", {})

    _, told = api.get("/ocpp/chargers/act-4/")
    assert told["connected"] is True
    assert told["lastHeartbeat"].endswith("Z")
    assert told["log"][0].startswith("> [2,")
    assert told["log"][1].startswith("< [3,")

    charger.hang_up()
    assert eventually(lambda: api.get("/ocpp/chargers/act-4/")[1]["connected"] is False)


# Transactions


@both_databases
def test_a_transaction_in_full(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    account = AccountFactory(user=UserFactory(username="ana", account=None))
    transaction = TransactionFactory(
        charger=ChargerFactory(charger_id="CP1"), connector_id=2, id_tag="ABCD1234", account=account,
        meter_start_wh=100, meter_stop_wh=1100, energy_wh=1000, started_at=JANUARY,
        stopped_at=JANUARY + timedelta(hours=1), stop_reason="EVDisconnected", flags="stale late",
    )  # fmt: skip
    expected = {
        "id": transaction.id, "charger": "CP1", "connector": 2, "id_tag": "ABCD1234", "account": account.id,
        "username": "ana", "meter_start_wh": 100, "meter_stop_wh": 1100, "energy_wh": 1000,
        "started_at": "2026-01-10T12:00:00Z", "stopped_at": "2026-01-10T13:00:00Z", "stop_received_at": None,
        "stop_reason": "EVDisconnected", "refused": "", "running": False, "flags": ["stale", "late"],
    }  # fmt: skip

    told = get(client, f"/ocpp/transactions/{expected['id']}/", token)

    assert told == expected | {"received_at": told["received_at"]}
    assert get(client, "/ocpp/transactions/", token)["transactions"] == [told]


@pytest.mark.parametrize("number", ["0", "77", "9999999999", "99999999999999999999999"])
def test_an_unknown_transaction(client: Browser, token: dict[str, str], number: str) -> None:
    told = client.get(f"/ocpp/transactions/{number}/", headers=token)
    closed = client.post(f"/ocpp/transactions/{number}/close/", headers=token)

    assert (told.status_code, told.json) == (404, {"detail": "not found"})
    assert (closed.status_code, closed.json) == (404, {"detail": "not found"})


def chosen(client: Browser, token: dict[str, str], query: str) -> list[int]:
    return [row["id"] for row in get(client, f"/ocpp/transactions/?{query}", token)["transactions"]]


@both_databases
def test_filters(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    charger = ChargerFactory(charger_id="CP#1")
    mine = AccountFactory(user=UserFactory(username="ana", account=None))
    a = TransactionFactory(charger=charger, account=mine, started_at=JANUARY, stopped_at=JANUARY).id
    b = TransactionFactory(charger=charger, started_at=JANUARY + timedelta(days=1)).id
    c = TransactionFactory(account=mine, started_at=JANUARY + timedelta(days=2)).id
    account = mine.id

    assert chosen(client, token, "") == [c, b, a]
    assert chosen(client, token, "charger=CP%231") == [b, a]
    assert chosen(client, token, "charger=nobody") == []
    assert chosen(client, token, f"account={account}") == [c, a]
    assert chosen(client, token, "account=ana") == [c, a]
    assert chosen(client, token, "account=nobody&charger=CP%231") == []
    assert chosen(client, token, "running=1") == [c, b]
    assert chosen(client, token, "running=0") == [a]
    assert chosen(client, token, "since=2026-01-11") == [c, b]
    assert chosen(client, token, "until=2026-01-11") == [b, a]  # the day is meant to its end
    assert chosen(client, token, "until=2026-01-11T12:00:00Z") == [a]
    assert chosen(client, token, "since=2026-01-10T13:00:00+01:00&until=2026-01-10") == [a]
    assert chosen(client, token, "running=1&charger=CP%231") == [b]
    assert chosen(client, token, "charger=%00&account=99999999999999999999") == []


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=2026-13-01", "since=9999-12-31T23:00:00-12:00", "running=maybe", "page=0"],
)
def test_wrong_filters_are_named(client: Browser, token: dict[str, str], query: str) -> None:
    answer = client.get(f"/ocpp/transactions/?{query}", headers=token)

    assert answer.status_code == 400
    assert query.split("=")[0] in answer.json["detail"]


def test_the_list_is_paged_and_says_whether_there_is_more(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    ids = [TransactionFactory(stopped_at=utcnow()).id for _ in range(5)]

    first = get(client, "/ocpp/transactions/?per_page=2", token)
    last = get(client, "/ocpp/transactions/?per_page=2&page=3", token)

    assert [row["id"] for row in first["transactions"]] == ids[:2:-1]
    assert first["more"] is True
    assert [row["id"] for row in last["transactions"]] == ids[:1]
    assert last["more"] is False


@both_databases
def test_a_list_goes_on_at_the_next_of_an_answer(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    charger, mine = ChargerFactory(charger_id="CP1"), AccountFactory()
    at = [JANUARY + timedelta(days=number % 3) for number in range(7)]  # not in the order of the ids
    rows = [TransactionFactory(charger=charger, account=mine, started_at=start) for start in at]
    newest = [row.id for row in reversed(rows)]
    by_start = [row.id for row in sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)]

    for query, expected in (
        ("", newest),
        ("charger=CP1", newest),
        ("charger=CP1&since=2026-01-01", newest),
        ("since=2026-01-01", by_start),
        (f"account={mine.id}&until=2026-02-01", by_start),
        ("running=1", newest),
        ("running=1&since=2026-01-01", by_start),
        ("running=0", []),
    ):
        found: list[int] = []
        told = get(client, f"/ocpp/transactions/?{query}&per_page=2", token)
        while True:
            found += [row["id"] for row in told["transactions"]]
            assert told["more"] == (told["next"] is not None)
            if not told["more"]:
                break
            told = get(client, f"/ocpp/transactions/?{query}&per_page=2&cursor={told['next']}", token)
        assert found == expected, query
        as_csv = client.get(f"/ocpp/transactions/?{query}&format=csv", headers=token).text
        assert [int(line["id"]) for line in read_csv(as_csv)] == expected, query


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@both_databases
def test_csv_has_everything_that_was_chosen(
    client: Browser, work: UnitOfWork, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "CHUNK", 2)
    charger = ChargerFactory(charger_id="CP1")
    ids = [TransactionFactory(charger=charger, flags="stale late").id for _ in range(5)]
    TransactionFactory()

    answer = client.get("/ocpp/transactions/?format=csv&charger=CP1", headers=token)

    lines = read_csv(answer.text)
    assert answer.mimetype == "text/csv"
    assert [int(line["id"]) for line in lines] == ids[::-1]
    assert lines[0]["flags"] == "stale late"
    assert lines[0]["stopped_at"] == ""
    one_page = client.get("/ocpp/transactions/?format=csv&page=2&per_page=2", headers=token).text
    assert [int(line["id"]) for line in read_csv(one_page)] == [ids[3], ids[2]]
    alone = client.get(f"/ocpp/transactions/{ids[0]}/?format=csv", headers=token).text
    assert [int(line["id"]) for line in read_csv(alone)] == [ids[0]]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+A", "'+A"),
        ("-A", "'-A"),
        ("@x", "'@x"),
        ("-5", "-5"),
        ("+4.2", "+4.2"),
        ("A=1", "A=1"),
    ],
)
def test_no_cell_is_a_formula(
    client: Browser, work: UnitOfWork, token: dict[str, str], cell: str, shown: str
) -> None:
    TransactionFactory(id_tag=cell)

    (line,) = read_csv(client.get("/ocpp/transactions/?format=csv", headers=token).text)

    assert line["id_tag"] == shown


@both_databases
def test_closing_ends_a_transaction_with_its_last_reading(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    account = AccountFactory(credited_wh=10_000, spent_wh=0)
    transaction = TransactionFactory(account=account, meter_start_wh=100, meter_last_wh=1600)
    number = transaction.id

    answer = client.post(f"/ocpp/transactions/{number}/close/", headers=token)

    assert answer.status_code == 200
    assert answer.json["running"] is False
    assert answer.json["meter_stop_wh"] == 1600
    assert answer.json["energy_wh"] == 1500
    assert "closed_by_staff" in answer.json["flags"]
    work.expire_all()
    assert account.spent_wh == 1500
    entry = work.query(AuditEntry).filter_by(action="close").one()
    assert (entry.username, entry.subject_id) == ("robot", str(number))


def test_what_has_stopped_is_not_closed_again(
    client: Browser, work: UnitOfWork, token: dict[str, str]
) -> None:
    number = TransactionFactory(stopped_at=JANUARY, energy_wh=5).id

    answer = client.post(f"/ocpp/transactions/{number}/close/", headers=token)

    assert answer.status_code == 400
    assert answer.json == {"detail": "the transaction has stopped already"}
    assert work.get(Transaction, number).stopped_at == JANUARY


def test_on_the_subdomain_too(client: Browser, work: UnitOfWork, token: dict[str, str], app: Flask) -> None:
    ChargerFactory(charger_id="CP1")
    host = f"http://ocpp.{app.config['SERVER_NAME']}"

    assert client.get("/chargers/CP1/", base_url=host, headers=token).status_code == 200
    assert client.get("/transactions/", base_url=host, headers=token).status_code == 200


def test_readings_do_not_slow_a_list_down(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    """Nothing that a list asks reads the history."""
    charger = ChargerFactory(charger_id="CP1")
    work.add(MeterReading(charger_id=charger.id, connector_id=1, at=JANUARY, measurand="x"))
    seen: list[str] = []
    db.session.commit()
    listen = lambda _c, _cu, statement, *_: seen.append(statement)  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listen)
    for path in ("/ocpp/chargers/", "/ocpp/chargers/CP1/", "/ocpp/"):
        get_ok = client.get(path, headers=token)
        assert get_ok.status_code == 200
    event.remove(db.engine, "before_cursor_execute", listen)

    assert not [statement for statement in seen if "meter_reading" in statement]
