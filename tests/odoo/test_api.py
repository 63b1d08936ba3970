"""``/odoo/test/<id>/``: what it answers, what it refuses, and to whom."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from app.blueprints.odoo.models import Instance, InstanceCheck
from app.db import db
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import InstanceFactory, UserFactory
from tests.odoo.servers import http, odoo_server, question, saying, tcp_server


def address(row: Instance) -> str:
    return f"/odoo/test/{row.id}/"


@both_databases
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_good_login_is_a_success_and_is_remembered(client, api, work, method):
    with odoo_server() as odoo:
        row = InstanceFactory(url=odoo.url)
        answer = client.open(address(row), method=method, headers=api)

    assert (answer.status_code, answer.json) == (200, {"detail": "success"})
    work.refresh(row)
    assert (row.state, row.version) == ("ok", "17.0-20240101")
    assert work.scalars(select(InstanceCheck.outcome)).all() == ["ok"]


@both_databases
def test_a_wrong_password_is_answered_401(client, api, work):
    with odoo_server() as odoo:
        row = InstanceFactory(url=odoo.url, password="other")
        answer = client.get(address(row), headers=api)

    assert (answer.status_code, answer.json) == (401, {"detail": "invalid credentials"})
    work.refresh(row)
    assert row.last_sentence == "Odoo does not accept this user name and password."


@both_databases
def test_every_other_trouble_is_answered_400_with_its_reason(client, api, work):
    with odoo_server() as odoo, tcp_server(saying(http(b"<html>", kind="text/html"))) as port:
        for options, reason in (
            ({"url": odoo.url, "database": "nope"}, "The server has no database nope."),
            ({}, "The host refuses the connection: nothing listens at port 1."),
            (
                {"url": f"http://127.0.0.1:{port}"},
                "A web page answered, not Odoo's XML-RPC: check the address.",
            ),
        ):
            answer = client.get(address(InstanceFactory(**options)), headers=api)

            assert (answer.status_code, answer.json) == (400, {"detail": reason})


def test_the_reason_is_told_in_the_readers_language(client, api, work):
    headers = api | {"Accept-Language": "es"}
    answer = client.get(address(InstanceFactory()), headers=headers)

    assert answer.json["detail"] == "El servidor rechaza la conexión: nada escucha en el puerto 1."


def test_a_password_that_cannot_be_read_says_so(app, client, api, work):
    row = InstanceFactory()
    work.commit()
    app.config["SECRET_KEY"] = "another"

    answer = client.get(address(row), headers=api)

    assert answer.status_code == 400
    assert answer.json["detail"].endswith("enter the password again.")


@pytest.mark.parametrize("number", ["0", "999", "2147483648", "99999999999999999999"])
def test_an_instance_that_does_not_exist_is_not_found(client, api, number):
    answer = client.get(f"/odoo/test/{number}/", headers=api)

    assert (answer.status_code, answer.json) == (404, {"detail": "not found"})


def test_staff_test_too_and_a_post_needs_the_csrf_token(staff, work):
    with odoo_server() as odoo:
        path = address(InstanceFactory(url=odoo.url))

        assert staff.get(path).status_code == 200
        assert staff.post(path).status_code == 400
        assert staff.post(path, headers={"X-CSRFToken": staff.csrf_token()}).status_code == 200


def test_others_may_not(client, work):
    path = address(InstanceFactory())
    for method in ("GET", "POST", "PUT"):
        assert client.open(path, method=method).status_code == 401
    client.log_in(UserFactory())
    assert client.get(path).status_code == 403


def test_another_method_is_answered_405(client, api, work):
    answer = client.put(address(InstanceFactory()), headers=api)

    assert answer.status_code == 405
    assert answer.json["detail"]


def test_nothing_holds_a_database_connection_while_the_server_thinks(app, client: Browser, api, work):
    thinking, let_go = threading.Event(), threading.Event()

    def think(connection) -> None:
        question(connection)
        thinking.set()
        let_go.wait(10)

    with tcp_server(think) as port:
        row = InstanceFactory(url=f"http://127.0.0.1:{port}")
        path = address(row)
        work.commit()
        work.close()
        request = threading.Thread(target=lambda: app.test_client().get(path, headers=api))
        request.start()
        try:
            assert thinking.wait(10)
            assert db.engine.pool.checkedout() == 0
        finally:
            let_go.set()
            request.join()


def test_an_instance_that_is_deleted_meanwhile_is_answered_all_the_same(app, client, api, work):
    def delete(connection) -> None:
        question(connection)
        with app.app_context():
            db.session.delete(db.session.get(Instance, 1))
            db.session.commit()
        connection.sendall(http(status="404 Not Found"))

    with tcp_server(delete) as port:
        answer = client.get(address(InstanceFactory(id=1, url=f"http://127.0.0.1:{port}")), headers=api)

    assert answer.status_code == 400
    assert "404" in answer.json["detail"]
