"""Checks in a real worker, on both databases and both brokers."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import date

import pytest
from flask import Flask

from app import doorbell
from app.blueprints.odoo import tasks
from app.blueprints.odoo.models import Instance
from app.blueprints.subscriptions import tasks as renewals
from app.clock import utcnow
from tests.databases import both_databases
from tests.factories import InstanceFactory, SubscriptionFactory
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import eventually
from tests.odoo.servers import odoo_server, question, tcp_server
from tests.servers import RunningServer
from tests.workers import running_worker


@pytest.fixture
def place(request, database, tmp_path):
    """A server that is not started: the tests' database and key, and a broker of its own."""
    with ExitStack() as stack:
        on_redis = request.node.get_closest_marker("redis")
        url = stack.enter_context(redis_server()).url if on_redis else ""
        yield RunningServer(tmp_path, DATABASE_URL=database, SECRET_KEY="tests", REDIS_URL=url)


@pytest.fixture
def ring(place):
    """Ring for the worker of that place; it takes no more than this."""
    app = Flask(__name__)
    app.config.update(INSTANCE_PATH=str(place.instance), REDIS_URL=place.env["REDIS_URL"])
    doorbell.init_app(app)

    def ring(task) -> None:
        with app.app_context():
            doorbell.ring(task)

    return ring


class Hanging:
    """A server that never answers, until it is let go."""

    def __init__(self) -> None:
        self.url = ""
        self.let_go = threading.Event()

    def serve(self, connection) -> None:
        question(connection)
        self.let_go.wait(60)


@pytest.fixture
def hanging():
    server = Hanging()
    with tcp_server(server.serve) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server
        server.let_go.set()


def fresh(work, row):
    """The row as the database has it now."""
    work.rollback()
    return work.get(type(row), row.id, populate_existing=True)


@pytest.mark.slow
@both_databases
def test_servers_that_hang_hold_neither_the_others_nor_other_queues(work, place, ring, hanging, tmp_path):
    threads = 8
    with odoo_server() as odoo:
        stuck = [InstanceFactory(url=hanging.url) for _ in range(threads * tasks.AT_ONCE + 10)]
        good = InstanceFactory(url=odoo.url, asked_at=utcnow())
        due = SubscriptionFactory()
        work.commit()
        with running_worker(place.env, tmp_path):
            for _ in range(threads):
                ring(tasks.check_instances)
            eventually(lambda: fresh(work, good).state == "ok", 40)
            eventually(lambda: not list((place.instance / "broker" / "queue").iterdir()), 20)
            ring(renewals.renew_due)

            eventually(lambda: fresh(work, due).next_renewal > date(2026, 3, 1), 8)
            assert states(work, stuck).count("checking") >= tasks.AT_ONCE - 1
            hanging.let_go.set()


@pytest.mark.redis
def test_the_worker_hears_of_checks_through_redis(work, place, ring, tmp_path):
    with odoo_server() as odoo:
        good = InstanceFactory(url=odoo.url)
        work.commit()
        with running_worker(place.env, tmp_path):
            ring(tasks.check_instances)

            eventually(lambda: fresh(work, good).state == "ok", 40)


@pytest.mark.slow
@both_databases
def test_a_worker_that_is_told_to_stop_ends_what_it_has_begun(work, place, ring, hanging, tmp_path):
    rows = [InstanceFactory(url=hanging.url) for _ in range(tasks.AT_ONCE + 4)]
    work.commit()
    with running_worker(place.env, tmp_path) as worker:
        ring(tasks.check_instances)
        eventually(lambda: states(work, rows).count("checking") == tasks.AT_ONCE, 20)
        stopping = threading.Timer(1.0, hanging.let_go.set)
        stopping.start()
        worker.stop()

    assert sorted(set(states(work, rows))) == ["failed", "never"]
    assert states(work, rows).count("failed") == tasks.AT_ONCE


@pytest.mark.slow
@both_databases
def test_checks_of_a_worker_that_is_killed_are_done_by_the_next(work, place, ring, hanging, tmp_path):
    row = InstanceFactory(url=hanging.url, asked_at=utcnow())
    work.commit()  # before there is a worker that writes as well
    with odoo_server() as odoo, running_worker(place.env, tmp_path) as worker:
        ring(tasks.check_instances)
        eventually(lambda: fresh(work, row).state == "checking", 40)
        worker.kill()
        assert fresh(work, row).state == "checking"

        row = fresh(work, row)
        row.leased_until = utcnow()  # a minute has passed
        row.url = odoo.url
        work.commit()
        assert fresh(work, row).state == "waiting"
        worker.start()
        ring(tasks.check_instances)

        eventually(lambda: fresh(work, row).state == "ok", 40)
        assert fresh(work, row).asked_at is None


def states(work, rows: list[Instance]) -> list[str]:
    return [fresh(work, row).state for row in rows]
