"""The bell between web and worker, with a real worker on both brokers."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from app import doorbell
from app.blueprints.subscriptions import tasks
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import eventually
from tests.servers import DATABASE, RunningServer
from tests.workers import running_worker


@pytest.fixture(params=["files", pytest.param("redis", marks=pytest.mark.redis)])
def place(request, tmp_path):
    """A server that is not started: its database, its broker, its environment."""
    with ExitStack() as stack:
        env = {}
        if request.param == "redis":  # of its own: on a shared one, somebody else's worker may be quicker
            env["REDIS_URL"] = stack.enter_context(redis_server()).url
        place = RunningServer(tmp_path, **env)
        place.migrate()
        yield place


def application(place):
    """No more than what rings: the whole application would bind its limits to this test's Redis."""
    app = Flask(__name__)
    app.config.update(INSTANCE_PATH=str(place.instance), REDIS_URL=place.env["REDIS_URL"])
    doorbell.init_app(app)
    return app


def test_the_worker_does_what_it_is_rung_for(place, tmp_path):
    engine = create_engine(f"sqlite:///{place.instance / DATABASE}")
    with engine.begin() as connection:
        for statement in (
            """INSERT INTO user (id, username, password, email, phone_number, has_charger, is_staff,
                   is_superuser, is_active, session_key, language, added_on)
               VALUES (1, 'ann', '', '', '', 0, 0, 0, 1, '', '', '2026-01-01 00:00:00.000000')""",
            "INSERT INTO account VALUES (1, 1, 0, 0, 0)",
            "INSERT INTO product VALUES (1, 'p', '', 30)",
            "INSERT INTO subscription VALUES (1, 1, 1, '2020-01-01', '2020-01-31')",
        ):
            connection.execute(text(statement))
    with application(place).app_context():
        doorbell.ring(tasks.renew_due)

    with running_worker(place.env, tmp_path):

        def renewed():
            with engine.connect() as connection:
                found = connection.execute(text("SELECT next_renewal FROM subscription")).scalar_one()
            return date.fromisoformat(found) > date(2026, 1, 1)

        eventually(renewed, 20)


@pytest.mark.redis
def test_a_broker_that_is_away_costs_the_visitor_a_moment_and_nothing_else(tmp_path, caplog):
    with redis_server() as server:
        url = server.url
    place = RunningServer(tmp_path, REDIS_URL=url)
    with application(place).app_context():
        doorbell.ring(tasks.renew_due)

    assert "the worker could not be told of subscriptions.renew_due" in caplog.text


def test_inside_a_request_the_bell_rings_when_the_visitor_has_the_answer(tmp_path):
    place = RunningServer(tmp_path)
    app = application(place)
    queue = place.instance / "broker" / "queue"

    @app.get("/")
    def view():
        doorbell.ring(tasks.renew_due)
        return str(len(list(queue.iterdir())))

    answer = app.test_client().get("/")
    assert answer.text == "0"
    answer.close()
    assert len(list(queue.iterdir())) == 1
