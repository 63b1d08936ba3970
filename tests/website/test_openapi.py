"""The OpenAPI document: valid, complete, and and true of what the application answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from app.blueprints.ocpp import commands, dispatch
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.errors import (
    BusAway,
    ChargerOffline,
    CommandNotAllowed,
    NoAnswer,
    RefusedByCharger,
)
from app.blueprints.ocpp.models import OcppMessage, Transaction
from app.blueprints.ocpp.services import history, readings
from app.blueprints.ocpp.wire import V16
from app.db import UnitOfWork, db
from app.domain_error import DomainError
from tests.clients import Browser
from tests.factories import (
    AccountFactory,
    ChargerFactory,
    ConnectorFactory,
    MeterReadingFactory,
    ProductFactory,
    RFIDFactory,
    TransactionFactory,
    UserFactory,
)

# What only our own pages ask for: the log page's news come as HTML.
INTERNAL = {
    "/ocpp/log/{charger_id}/news/",
    "/ocpp/chargers/{charger_id}/page/parts/",
    "/ocpp/chargers/{charger_id}/page/plots/",
}
METHODS = {"get", "put", "post", "delete", "patch"}
ACTION = "/ocpp/chargers/{charger_id}/action/"
JANUARY = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def document(client: Browser) -> dict[str, Any]:
    """The document as a stranger reads it."""
    return client.get("/api/openapi.json").json


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation)."""
    for path, item in document["paths"].items():
        yield from ((path, method, item[method]) for method in item.keys() & METHODS)


def closed(schema: Any) -> Any:
    """A schema that allows only the properties it names, so that none is forgotten."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    return {"additionalProperties": False, **found} if isinstance(found.get("properties"), dict) else found


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Fail unless a value is what a schema of the document says."""
    whole = {"allOf": [closed(schema)], "components": closed(document["components"])}
    errors = jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(value)
    assert [f"{error.instance_path}: {error.message}" for error in errors] == []


def check_answer(document: dict[str, Any], method: str, path: str, answer: TestResponse) -> Any:
    """Fail unless an answer is one that the document describes; return its JSON."""
    described = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in described, answer.text
    content = described[str(answer.status_code)]["content"]
    assert answer.mimetype in content
    if answer.mimetype == "application/json":
        check(document, content["application/json"]["schema"], answer.json)
    return answer.json if answer.is_json else answer.text


# The document


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_every_json_address_is_described_and_nothing_else(app: Flask, document: dict[str, Any]) -> None:
    there: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        decided = getattr(app.view_functions[rule.endpoint], "access", None)
        if decided is not None and decided.json and not rule.subdomain:
            path = re.sub(r"<(?:\w+(?:\(.*?\))?:)?(\w+)>", r"{\1}", rule.rule)
            there.setdefault(path, set()).update(method.lower() for method in rule.methods or ())

    described: dict[str, set[str]] = {}
    for path, method, _ in operations(document):
        described.setdefault(path, set()).add(method)

    expected = {path: methods & METHODS for path, methods in there.items() if path not in INTERNAL}
    assert described == expected, "each domain describes its JSON addresses in its openapi.py"


def test_it_says_who_may_call(client: Browser, document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        answer = client.open(re.sub(r"{\w+}", "1", path), method=method.upper())
        is_refused = answer.status_code == 401
        answer.close()
        assert is_refused == ({} not in operation["security"]), (method, path)
        assert is_refused <= ("401" in operation["responses"])


def test_a_session_needs_the_csrf_token_where_it_changes_something(document: dict[str, Any]) -> None:
    assert document["paths"]["/ocpp/chargers/"]["get"]["security"] == [{"token": []}, {"session": []}]
    assert document["paths"][ACTION]["post"]["security"] == [{"token": []}, {"session": [], "csrf": []}]
    assert document["paths"]["/nodes/list/"]["get"]["security"][0] == {"node": []}


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for *_, operation in operations(document)]

    assert len(set(names)) == len(names)
    assert "ocppCloseTransaction" in names
    assert all(operation["summary"] for *_, operation in operations(document))


def test_its_examples_keep_to_its_schemas(document: dict[str, Any]) -> None:
    seen = 0
    for path, method, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body["content"] for body in bodies if "content" in body):
            told = content.get("application/json", {})
            values = [shown["value"] for shown in told.get("examples", {}).values()]
            for value in [*values, *([told["example"]] if "example" in told else [])]:
                check(document, told["schema"], value)
                seen += 1
        assert "default" in operation["responses"], (method, path)
    assert seen > 20


def test_it_is_in_english_whoever_asked_first(client: Browser) -> None:
    spanish = client.get("/api/openapi.json", headers={"Accept-Language": "es"}).json

    refused = spanish["paths"][ACTION]["post"]["responses"]["404"]["content"]["application/json"]["examples"]
    assert set(refused) == {"no connection", "no transaction"}


@pytest.mark.parametrize("host", ["localhost:8000", "ocpp.localhost:8000", "192.0.2.7"])
def test_every_host_has_it(client: Browser, document: dict[str, Any], host: str) -> None:
    assert client.get("/api/openapi.json", base_url=f"http://{host}").json == document
    assert document["servers"] == [{"url": "/"}]


def test_addresses_follow_a_proxys_prefix(client: Browser) -> None:
    moved = client.get("/api/openapi.json", base_url="http://localhost:8000/charging")

    assert moved.json["servers"] == [{"url": "/charging"}]


class TestWhereTheDashboardIsForStaff:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"PUBLIC_DASHBOARD": False}

    def test_so_are_its_events(self, client: Browser, document: dict[str, Any]) -> None:
        events = document["paths"]["/ocpp/events/"]["get"]

        assert events["security"] == [{"session": []}]
        assert check_answer(document, "get", "/ocpp/events/", client.get("/ocpp/events/"))["detail"]


# What the application answers


@pytest.fixture
def history_of_a_charger(work: UnitOfWork) -> int:
    """A charger, ``CP1``, with all that can be told of one. Returns the id of its running transaction."""
    charger = ChargerFactory(
        charger_id="CP1", last_heartbeat=JANUARY, last_seen=JANUARY, config={"a": 1},
        last_meter_values={"connectorId": 1, "meterValue": []},
    )  # fmt: skip
    ConnectorFactory(charger=charger, connector_id=1, status="Charging", since=JANUARY, power_w=7000)
    ConnectorFactory(charger=charger, connector_id=2)
    TransactionFactory(
        charger=charger, connector_id=2, started_at=JANUARY, stopped_at=JANUARY + timedelta(hours=1),
        meter_stop_wh=5, stop_reason="Local", refused="unknown", flags="stale", account=None,
    )  # fmt: skip
    running = TransactionFactory(charger=charger, connector_id=1, energy_wh=2500, meter_last_wh=2500)
    work.add(OcppMessage(charger_id=charger.id, direction="in", at=JANUARY, request="q", answer="a"))
    return int(running.id)


def test_chargers(
    client: Browser, document: dict[str, Any], api: dict[str, str], history_of_a_charger: int
) -> None:
    ChargerFactory(charger_id="CP2")

    told = check_answer(document, "get", "/ocpp/chargers/", client.get("/ocpp/chargers/", headers=api))
    assert len(told["chargers"]) == 2

    path = "/ocpp/chargers/{charger_id}/"
    told = check_answer(document, "get", path, client.get("/ocpp/chargers/CP1/", headers=api))
    assert told["log"] == ["> q", "< a"]
    assert len(told["transactions"]) == 2


def test_one_charger_for_anyone(client: Browser, document: dict[str, Any], history_of_a_charger: int) -> None:
    path = "/ocpp/c/{charger_id}/status/"

    told = check_answer(document, "get", path, client.get("/ocpp/c/CP1/status/"))
    assert told["transaction"]["transactionId"] == history_of_a_charger
    check_answer(document, "get", path, client.get("/ocpp/c/CP2/status/"))


def test_transactions(
    client: Browser, document: dict[str, Any], api: dict[str, str], history_of_a_charger: int
) -> None:
    whole, one = "/ocpp/transactions/", "/ocpp/transactions/{transaction_id}/"
    here = f"{whole}{history_of_a_charger}/"

    assert len(check_answer(document, "get", whole, client.get(whole, headers=api))["transactions"]) == 2
    check_answer(document, "get", whole, client.get(f"{whole}?format=csv", headers=api))
    check_answer(document, "get", one, client.get(here, headers=api))
    check_answer(document, "get", one, client.get(f"{here}?format=csv", headers=api))
    for status in (200, 400):
        answer = client.post(f"{here}close/", headers=api)
        assert answer.status_code == status
        check_answer(document, "post", f"{one}close/", answer)


def test_columns_of_the_csv(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert list(schemas["Transaction"]["properties"]) == list(history.COLUMNS)
    assert list(schemas["Reading"]["properties"]) == list(readings.COLUMNS)


def test_readings(
    client: Browser,
    document: dict[str, Any],
    api: dict[str, str],
    history_of_a_charger: int,
    work: UnitOfWork,
) -> None:
    path, running = "/ocpp/readings/", work.get(Transaction, history_of_a_charger)
    MeterReadingFactory(transaction=running, raw_value="7", raw_unit="kW")
    MeterReadingFactory(transaction=running, value=None)

    told = check_answer(document, "get", path, client.get(f"{path}?per_page=1", headers=api))
    assert len(told["readings"]) == 1
    check_answer(document, "get", path, client.get(f"{path}?cursor={told['next']}", headers=api))
    check_answer(document, "get", path, client.get(f"{path}?format=csv", headers=api))
    check_answer(document, "get", path, client.get(f"{path}?cursor=x", headers=api))


def test_nodes(client: Browser, document: dict[str, Any], api: dict[str, str]) -> None:
    told = {"hostname": "depot", "address": "2001:db8::7"}
    registered = client.post("/nodes/register/", json=told, headers=api)

    assert registered.status_code == 200
    check_answer(document, "post", "/nodes/register/", registered)
    check_answer(document, "get", "/nodes/list/", client.get("/nodes/list/", headers=api))


def test_profiles(client: Browser, document: dict[str, Any], api: dict[str, str]) -> None:
    path, answers = "/accounts/profile/", []
    home = {"street": "a", "number": "1", "state": "CO", "municipality": "Saltillo", "postal_code": "2"}
    for told in ({"address": home}, {"address": home | {"state": "NL"}}, {}):
        answers.append(client.post(path, json=told, headers=api))
        check_answer(document, "post", path, answers[-1])

    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert check_answer(document, "get", path, client.get(path, headers=api))["address"] == home
    states = "/accounts/municipalities/"
    check_answer(document, "get", states, client.get(states))


def test_subscriptions(
    client: Browser, document: dict[str, Any], api: dict[str, str], work: UnitOfWork
) -> None:
    account, product = AccountFactory(), ProductFactory()
    order = {"account_id": account.id, "product_id": product.id}
    listed = f"/subscriptions/list/?account_id={account.id}"

    for method, address, sent in (
        ("get", "/subscriptions/products/", None),
        ("post", "/subscriptions/subscribe/", order),
        ("get", listed, None),
    ):
        answer = client.open(address, method=method.upper(), json=sent, headers=api)
        assert answer.status_code == 200
        check_answer(document, method, address.partition("?")[0], answer)


def test_logging_in_by_a_tag(client: Browser, document: dict[str, Any], work: UnitOfWork) -> None:
    path = "/accounts/rfid-login/"
    good, bad = {"rfid": RFIDFactory().rfid}, {"rfid": "BADBADBA"}
    elsewhere = {"Origin": "https://evil.example"}
    answers = [
        client.post(path, json=good),
        client.post(path, json={}),
        client.post(path, json=good, headers=elsewhere),
        *(client.post(path, json=bad) for _ in range(11)),
    ]

    assert [answer.status_code for answer in answers] == [200, 400, 403, *[401] * 10, 429]
    for answer in answers:
        check_answer(document, "post", path, answer)


def test_mail(client: Browser, document: dict[str, Any], api: dict[str, str]) -> None:
    template = {"name": "greeting", "subject": "Hello {username}", "body": "Good day."}
    order = {"to": "ann@example.com", "template_id": 1, "context": {"username": "Ann"}}

    for method, path, address, sent in (
        ("post", "/mailer/template/add/", "/mailer/template/add/", template),
        ("post", "/mailer/queue/add/", "/mailer/queue/add/", order),
        ("get", "/mailer/status/{mail_id}/", "/mailer/status/1/", None),
        ("post", "/mailer/purge/", "/mailer/purge/", None),
    ):
        answer = client.open(address, method=method.upper(), json=sent, headers=api)
        assert answer.status_code == 200
        check_answer(document, method, path, answer)


def test_health(client: Browser, document: dict[str, Any]) -> None:
    check_answer(document, "get", "/healthz", client.get("/healthz"))


class TestWhereTheBrokerIsDown:
    @pytest.fixture
    def overrides(self) -> dict[str, Any]:
        return {"RATELIMIT_STORAGE_URI": "memory://"}

    def test_health(self, app: Flask, client: Browser, document: dict[str, Any]) -> None:
        app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"

        answer = client.get("/healthz")

        assert answer.status_code == 503
        check_answer(document, "get", "/healthz", answer)


def test_events(client: Browser, document: dict[str, Any], history_of_a_charger: int) -> None:
    answer = client.get("/ocpp/events/", buffered=False)
    chunks = iter(answer.response)
    sent = (next(chunks) + next(chunks)).decode()  # type: ignore[operator]
    answer.close()

    assert answer.mimetype in document["paths"]["/ocpp/events/"]["get"]["responses"]["200"]["content"]
    (event,) = re.findall(r"event: chargers\ndata: (.*)\n\n", sent)
    (charger,) = json.loads(event)
    check(document, document["components"]["schemas"]["PublicCharger"], charger)


def test_what_is_a_drivers_own(client: Browser, document: dict[str, Any], history_of_a_charger: int) -> None:
    running = db.session.get(Transaction, history_of_a_charger)
    assert running is not None
    assert running.account is not None
    MeterReadingFactory(transaction=running)
    client.log_in(running.account.user)
    curve = "/ocpp/my/{transaction_id}/curve/"

    told = check_answer(document, "get", "/ocpp/my/state/", client.get("/ocpp/my/state/"))
    assert len(told["running"]) == 1
    drawn = check_answer(document, "get", curve, client.get(f"/ocpp/my/{running.id}/curve/"))
    assert len(drawn["points"]) == 1
    assert check_answer(document, "get", curve, client.get("/ocpp/my/7000/curve/"))["detail"]
    answer = client.get("/ocpp/my/events/", buffered=False)
    chunks = iter(answer.response)
    sent = (next(chunks) + next(chunks)).decode()  # type: ignore[operator]
    answer.close()
    (event,) = re.findall(r"event: state\ndata: (.*)\n\n", sent)
    check(document, document["components"]["schemas"]["OwnState"], json.loads(event))


@pytest.mark.parametrize(
    ("method", "path", "address", "status"),
    [
        ("get", "/ocpp/chargers/", "/ocpp/chargers/?page=0", 400),
        ("get", "/ocpp/chargers/{charger_id}/", "/ocpp/chargers/nobody/", 404),
        ("get", "/ocpp/transactions/", "/ocpp/transactions/?since=yesterday", 400),
        ("get", "/ocpp/transactions/{transaction_id}/", "/ocpp/transactions/7/", 404),
        ("post", "/ocpp/transactions/{transaction_id}/close/", "/ocpp/transactions/7/close/", 404),
        ("post", ACTION, "/ocpp/chargers/CP1/action/", 400),
        ("get", "/ocpp/events/", "/ocpp/events/?page=x", 400),
        ("get", "/ocpp/my/{transaction_id}/curve/", "/ocpp/my/7/curve/", 404),
        ("post", "/nodes/register/", "/nodes/register/", 400),
        ("post", "/mailer/template/add/", "/mailer/template/add/", 400),
        ("post", "/mailer/queue/add/", "/mailer/queue/add/", 400),
        ("get", "/mailer/status/{mail_id}/", "/mailer/status/7/", 404),
        ("post", "/subscriptions/subscribe/", "/subscriptions/subscribe/", 400),
        ("get", "/subscriptions/list/", "/subscriptions/list/", 400),
        ("get", "/subscriptions/list/", "/subscriptions/list/?account_id=999", 404),
    ],
)
def test_errors(
    client: Browser, document: dict[str, Any], api: dict[str, str], method: str, path: str, address: str,
    status: int,
) -> None:  # fmt: skip
    answer = client.open(address, method=method.upper(), headers=api)

    assert answer.status_code == status
    assert check_answer(document, method, path, answer)["detail"]


def test_strangers(client: Browser, document: dict[str, Any]) -> None:
    answer = client.get("/ocpp/chargers/")

    assert answer.status_code == 401
    assert check_answer(document, "get", "/ocpp/chargers/", answer)["detail"]


def test_drivers(app: Flask, client: Browser, document: dict[str, Any], work: UnitOfWork) -> None:
    client.log_in(UserFactory())

    answer = client.get("/ocpp/chargers/")

    assert answer.status_code == 403
    assert check_answer(document, "get", "/ocpp/chargers/", answer)["detail"]


def test_a_session_without_csrf_token(staff: Browser, document: dict[str, Any]) -> None:
    answer = staff.post("/ocpp/chargers/CP1/action/")

    assert answer.status_code == 400
    assert "CSRF" in check_answer(document, "post", ACTION, answer)["detail"]


# Commands


def send_nothing(monkeypatch: pytest.MonkeyPatch, outcome: Answer | DomainError) -> None:
    """Let the line answer so, whatever is sent."""

    def send(*_: Any) -> Answer:
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    monkeypatch.setattr(dispatch, "send", send)


def test_a_command(
    client: Browser, document: dict[str, Any], api: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    send_nothing(monkeypatch, Answer('[2,"1","Reset",{"type":"Soft"}]', {"status": "Accepted"}))

    answer = client.post("/ocpp/chargers/CP1/action/", json={"action": "reset"}, headers=api)

    assert answer.status_code == 200
    check_answer(document, "post", ACTION, answer)


@pytest.mark.parametrize(
    "refusal",
    [CommandNotAllowed("no"), ChargerOffline(), RefusedByCharger("NotSupported", ""), BusAway(), NoAnswer()],
    ids=lambda refusal: type(refusal).__name__,
)
def test_a_command_that_fails(
    client: Browser, document: dict[str, Any], api: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    refusal: DomainError,
) -> None:  # fmt: skip
    send_nothing(monkeypatch, refusal)

    answer = client.post("/ocpp/chargers/CP1/action/", json={"action": "reset"}, headers=api)

    assert answer.status_code == refusal.status_code
    check_answer(document, "post", ACTION, answer)


def test_examples_of_commands_may_be_sent(document: dict[str, Any]) -> None:
    content = document["paths"][ACTION]["post"]["requestBody"]["content"]
    for shown in content["application/json"]["examples"].values():
        action, payload, _ = commands.read(shown["value"])
        if shown["value"] != {"action": "remote_stop"}:  # needs a transaction that runs
            commands.check(action, payload)


def test_every_command_is_described_by_both_names(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    mapping = schemas["Command"]["discriminator"]["mapping"]

    assert set(mapping) == {*commands.ACTIONS, *V16.outgoing}
    for name, reference in mapping.items():
        action = schemas[reference.rpartition("/")[2]]["properties"]["action"]
        assert name == action.get("const") or name in action["enum"]


def test_described_parameters_are_understood(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for action, shape in V16.outgoing.items():
        ours = schemas[f"{action}Command"]["properties"].keys() - {"action", "timeout"}
        theirs = schemas[f"{action}Call"]["properties"]["payload"]["properties"]
        known = set(shape.schema.get("properties", {}))

        assert set(theirs) == known
        assert {commands.PARAMETERS[action][name] for name in ours} == known


def test_a_command_that_is_filled_in_by_us_may_be_short(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["ResetCommand"]["required"] == ["action"]
    assert schemas["ResetCommand"]["properties"]["type"]["default"] == "Soft"
    assert schemas["RemoteStopTransactionCommand"]["required"] == ["action"]
    assert schemas["RemoteStartTransactionCommand"]["required"] == ["action", "id_tag"]
    for action in ("reset", "remote_stop", "clear_cache"):
        check(document, schemas["Command"], {"action": action})
    with pytest.raises(AssertionError):
        check(document, schemas["Command"], {"action": "remote_start"})
