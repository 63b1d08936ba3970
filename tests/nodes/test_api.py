"""The JSON addresses of nodes: what they answer, what they refuse, and to whom."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.accounts.services import create_user
from app.blueprints.nodes.models import Node
from app.db import unit_of_work
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import NodeFactory, UserFactory

REGISTER, LIST = "/nodes/register/", "/nodes/list/"
SECRET = "node-secret"
HERE = {"hostname": "north", "address": "192.0.2.1", "port": 8080}


@pytest.fixture
def overrides():
    return {"NODE_TOKEN": SECRET}


@pytest.fixture
def node():
    """Headers with the node token."""
    return {"Authorization": f"Bearer {SECRET}"}


@both_databases
def test_a_node_registers_and_is_listed(client, node, work, monkeypatch):
    seen = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
    monkeypatch.setattr("app.blueprints.nodes.services.utcnow", lambda: seen)

    answer = client.post(REGISTER, json=HERE, headers=node)

    assert (answer.status_code, answer.json) == (200, {"id": work.scalar(select(Node.id))})
    listed = client.get(LIST, headers=node)
    assert (listed.status_code, listed.json) == (
        200,
        {"nodes": [HERE | {"last_seen": "2026-01-31T08:30:00Z"}]},
    )


def test_nodes_are_listed_by_name(client, node, work):
    for name in ("south", "east", "west"):
        NodeFactory(hostname=name)

    assert [row["hostname"] for row in client.get(LIST, headers=node).json["nodes"]] == [
        "east",
        "south",
        "west",
    ]


def test_without_nodes_the_list_is_empty(client, node):
    assert client.get(LIST, headers=node).json == {"nodes": []}


@both_databases
def test_the_same_hostname_again_is_the_same_node_elsewhere(client, node, work):
    row = NodeFactory(hostname="north", last_seen=datetime(2020, 1, 1, tzinfo=UTC))
    other = NodeFactory(hostname="south")

    answer = client.post(REGISTER, json=HERE | {"address": "2001:DB8:0::1"}, headers=node)

    assert answer.json == {"id": row.id}
    work.refresh(row)
    assert (row.address, row.port) == ("2001:db8::1", 8080)
    assert not row.is_stale
    assert other.address == "192.0.2.10"


@both_databases
def test_a_new_node_and_a_new_place_are_in_the_trail_and_not_every_sign_of_life(client, node, api, work):
    for told, headers in (
        (HERE, node),
        (HERE, node),
        (HERE | {"port": 9000}, api),
        (HERE | {"port": 9000}, api),
    ):
        client.post(REGISTER, json=told, headers=headers)

    made, moved = work.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert (made.username, made.action, made.subject) == ("", "register", "node")
    assert made.subject_id == moved.subject_id == str(work.scalar(select(Node.id)))
    assert (made.details["address"], made.details["by"]) == ([None, "192.0.2.1"], "NODE_TOKEN")
    assert (moved.username, moved.details) == ("robot", {"port": [8080, 9000]})


@both_databases
def test_a_node_that_registers_many_times_at_once_is_one_row(app, node, work):
    answers = []

    def register(port):
        answer = app.test_client().post(REGISTER, json=HERE | {"port": port}, headers=node)
        answers.append((answer.status_code, answer.json["id"]))

    threads = [threading.Thread(target=register, args=(9000 + number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [(200, work.scalar(select(Node.id)))] * 8
    assert work.scalar(select(func.count()).select_from(Node)) == 1


def test_the_port_is_8000_unless_told(client, node, work):
    for told in ({}, {"port": None}, {"port": ""}):
        client.post(REGISTER, json={"hostname": "north", "address": "192.0.2.1"} | told, headers=node)

        assert work.scalar(select(Node.port)) == 8000


def test_a_port_is_any_that_exists(client, node, work):
    for port in (1, 65535, "443"):
        assert client.post(REGISTER, json=HERE | {"port": port}, headers=node).status_code == 200
        assert work.scalar(select(Node.port)) == int(port)


def test_a_body_is_json_or_a_form(client, node, work):
    text = '{"hostname": "north", "address": "192.0.2.1", "port": 8080}'
    form = "application/x-www-form-urlencoded"
    for body in ({"data": HERE}, {"json": HERE}, {"data": text}, {"data": text, "content_type": form}):
        NodeFactory(hostname="north")

        assert client.post(REGISTER, headers=node, **body).status_code == 200

        row = work.scalars(select(Node)).one()
        assert {"hostname": row.hostname, "address": row.address, "port": row.port} == HERE
        work.delete(row)
        work.flush()


def refusals(client, headers, bodies):
    """What each of these bodies is answered, every answer once."""
    answers = [client.post(REGISTER, json=body, headers=headers) for body in bodies]
    return {(answer.status_code, answer.json["detail"]) for answer in answers}


def test_a_node_without_name_or_address_is_refused(client, node, work):
    without = ({}, {"hostname": "north"}, {"address": "192.0.2.1"}, HERE | {"hostname": ""})
    junk = (HERE | {"address": None}, [], [1], "x", 5, None)

    assert refusals(client, node, [*without, *junk]) == {(400, "hostname and address required")}
    assert work.scalar(select(Node)) is None


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_nothing_is_refused(client, node, kind):
    for text in (b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b"9" * 10_000):
        answer = client.post(REGISTER, data=text, content_type=kind, headers=node)

        assert (answer.status_code, answer.json) == (400, {"detail": "hostname and address required"})


def test_an_address_is_one_of_a_network(client, node):
    names = ("north", "192.0.2", "192.0.2.256", "192.0.2.1/24", "192.0.2.1:8000", "[2001:db8::1]")
    junk = ("fe80::1%eth0", "http://192.0.2.1", "192.0.2.1\0", 3221225985, True, [], {}, ["192.0.2.1"], " ")

    found = refusals(client, node, [HERE | {"address": address} for address in (*names, *junk)])

    assert found == {(400, "address must be an IPv4 or IPv6 address")}


def test_a_port_that_does_not_exist_is_refused(client, node):
    ports = (0, -1, 65536, 8000.0, True, False, "x", "8000x", "1e3", "٣", [], {}, "9" * 30, "\0")

    found = refusals(client, node, [HERE | {"port": port} for port in ports])

    assert found == {(400, "port must be a whole number from 1 to 65535")}


def test_a_hostname_is_a_name(client, node):
    names = ("a b", "x" * 254, "<b>", "a/b", "\0", "\ud800", " ", 5, True, [], {})

    found = refusals(client, node, [HERE | {"hostname": name} for name in names])

    assert found == {(400, "hostname must be 1 to 253 letters, digits, and . - _")}


def test_registering_takes_a_post(client, node):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.open(REGISTER, method=method, headers=node)

        assert (answer.status_code, answer.json) == (400, {"detail": "POST required"})


def test_listing_takes_a_get(client, node):
    answer = client.post(LIST, headers=node)

    assert answer.status_code == 405
    assert answer.json["detail"]


@both_databases
def test_an_api_token_registers_and_lists(client, api):
    assert client.post(REGISTER, json=HERE, headers=api).status_code == 200
    assert client.get(LIST, headers=api).json["nodes"][0]["hostname"] == "north"


def test_staff_register_with_a_csrf_token_only(staff):
    assert staff.post(REGISTER, json=HERE).status_code == 400
    assert staff.post(REGISTER, json=HERE, headers={"X-CSRFToken": staff.csrf_token()}).status_code == 200
    assert staff.get(LIST).status_code == 200


def test_strangers_are_answered_401_first(client):
    for address in (REGISTER, LIST):
        for method in ("GET", "POST"):
            answer = client.open(address, method=method)

            assert (answer.status_code, answer.json) == (401, {"detail": "log in, or send an API token"})


def test_drivers_are_answered_403(client, work):
    client.log_in(UserFactory())

    assert client.get(LIST).status_code == 403
    assert client.submit(REGISTER, HERE).status_code == 403


def test_another_token_is_answered_401(client):
    almost = ("Bearer node-secre", "Bearer node-secrett", "Bearer NODE-SECRET", "Bearer node-sécret")
    for sent in (*almost, "Bearer", "Bearer ", "Bearer " + "x" * 10_000):
        answer = client.post(REGISTER, json=HERE, headers={"Authorization": sent})

        assert (answer.status_code, answer.json) == (401, {"detail": "invalid API token"})


def test_the_node_token_is_a_bearer(client):
    for sent in ("Basic node-secret", "node-secret", "Bearernode-secret"):
        assert client.get(LIST, headers={"Authorization": sent}).status_code == 401


@pytest.mark.parametrize("overrides", [{"NODE_TOKEN": "clave-ñandú"}])
def test_a_node_token_may_have_any_letters(client):
    sent = "Bearer clave-ñandú".encode().decode("latin-1")

    assert client.get(LIST, headers={"Authorization": sent}).status_code == 200


@pytest.mark.parametrize("overrides", [{"NODE_TOKEN": ""}])
def test_as_long_as_it_is_unset_no_node_token_is_accepted(client):
    for sent in ("", "Bearer", "Bearer ", "Bearer  ", "Bearer node-secret"):
        assert client.get(LIST, headers={"Authorization": sent}).status_code == 401
        assert client.post(REGISTER, json=HERE, headers={"Authorization": sent}).status_code == 401


def test_the_node_token_opens_nothing_else(app, node):
    """Every other address that is not public refuses it."""
    client = app.test_client()
    tried = 0
    for rule in app.url_map.iter_rules():
        if rule.subdomain or rule.websocket or rule.rule in (REGISTER, LIST):
            continue
        decided = getattr(app.view_functions[rule.endpoint], "access", None)
        if rule.endpoint.endswith("static") or (decided and decided.who == "anyone"):
            continue
        path = app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, 1))
        method = "GET" if "GET" in rule.methods else "POST"
        assert client.open(path, method=method, headers=node).status_code == 401, rule
        tried += 1
    assert tried > 20


def test_a_session_does_not_make_a_wrong_token_good(app):
    browser: Browser = app.test_client()
    with app.app_context(), unit_of_work() as work:
        browser.log_in(create_user(work, "boss", is_staff=True))

    assert browser.get(LIST, headers={"Authorization": "Bearer x"}).status_code == 401
