"""A real worker and scheduler, on both brokers: what is killed, stopped or lost is done all the same."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from flask import Flask
from psycopg.rows import dict_row

from app import doorbell
from app.config import ROOT
from app.server import beat
from tests import databases
from tests.jobs import tasks
from tests.ocpp.crowd import through
from tests.ocpp.proxy import proxied
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import eventually
from tests.servers import DATABASE, RunningServer
from tests.workers import RunningWorker

pytestmark = pytest.mark.slow
both_brokers = pytest.mark.parametrize(
    "place", ["files", pytest.param("redis", marks=pytest.mark.redis)], indirect=True
)


class Place:
    """An installation without a web process: its database, its broker, its worker and scheduler."""

    def __init__(self, folder, redis=None, url="", proxy=None):
        self.redis, self.url = redis, url
        settings = {"REDIS_URL": redis.url} if redis else {}
        self.server = RunningServer(folder, DATABASE_URL=through(url, proxy), **settings)
        self.server.migrate()
        self.env = self.server.env | {"TEST_TASKS_FOLDER": str(folder)}
        self.folder = folder
        self.started = []

    def worker(self):
        """Start a worker."""
        number = len(self.started)
        (self.folder / f"w{number}").mkdir()
        worker = RunningWorker(self.env, self.folder / f"w{number}")
        worker.command += ["--include", "tests.jobs.tasks", "--hostname", f"w{number}@test"]
        self.started.append(worker)
        worker.start()
        return worker

    def beat(self):
        """Start a scheduler."""
        process = subprocess.Popen([sys.executable, *beat().command[1:]], cwd=ROOT, env=self.env)
        self.started.append(process)
        eventually(lambda: self.rows("SELECT 1 FROM work_process WHERE pid = ?", process.pid), 20)
        return process

    def end(self):
        """Kill whatever lives."""
        for process in self.started:
            process.kill()
            if isinstance(process, subprocess.Popen):
                process.wait()

    def rows(self, sql, *values):
        if self.url:
            with psycopg.connect(self.url, row_factory=dict_row) as connection:
                found = connection.execute(sql.replace("?", "%s"), values)
                return found.fetchall() if found.description else []
        with closing(sqlite3.connect(self.server.instance / DATABASE, timeout=10)) as file, file:
            file.row_factory = sqlite3.Row
            return file.execute(sql, values).fetchall()

    def job(self, task):
        return dict(self.rows("SELECT * FROM job WHERE task = ?", task)[0])

    def plan(self, task, schedule="", asked=False, ago_s=0):
        """A line in the ledger, as the schedule or staff would write it."""
        at = stored(datetime.now(UTC) - timedelta(seconds=ago_s))
        self.rows(
            """INSERT INTO job (task, queue, schedule, done_until, asked_at, tries, seconds, outcome, failure,
                   successes, failures, total_seconds, leased_by)
               VALUES (?, 'maintenance', ?, ?, ?, 0, 0, '', '', 0, 0, 0, '')""",
            task, schedule, at, at if asked else None,
        )  # fmt: skip

    @contextmanager
    def bell(self):
        """The application's bell."""
        app = Flask(__name__)
        app.config.update(INSTANCE_PATH=str(self.server.instance), REDIS_URL=self.env["REDIS_URL"])
        doorbell.init_app(app)
        with app.app_context():
            yield

    def lines(self, name):
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []


def stored(at):
    return at.replace(tzinfo=None).isoformat(" ", "microseconds")


@pytest.fixture
def place(request, tmp_path):
    if request.param == "redis":
        with redis_server() as redis:
            place = Place(tmp_path, redis)
            yield place
            place.end()
    else:
        place = Place(tmp_path)
        yield place
        place.end()


@both_brokers
def test_what_a_worker_does_is_in_the_ledger_and_in_the_log(place):
    worker = place.worker()
    with place.bell():
        doorbell.ring(tasks.tick)
        doorbell.ring(tasks.tick)
        doorbell.ring(tasks.fail)
    eventually(lambda: len(place.rows("SELECT * FROM job WHERE task LIKE 'tests.%'")) == 2, 20)
    eventually(lambda: place.job("tests.tick")["successes"] == 2, 10)

    job = place.job("tests.fail")
    assert (job["ok"], job["failures"]) == (0, 1)
    assert job["failure"] == "OSError: the moon is in the way"
    (run,) = place.rows("SELECT r.* FROM job_run r JOIN job j ON j.id = r.job_id WHERE task = 'tests.tick'")
    assert (run["times"], run["ok"]) == (2, 1)
    assert 0.2 <= run["seconds"] < 2
    log = (place.server.logs / "maintenance.log").read_text()
    assert "tests.tick started" in log
    assert "tests.tick ended after 0.2" in log
    assert "tests.fail failed after 0.0" in log

    (process,) = place.rows("SELECT * FROM work_process")
    assert (process["kind"], process["pid"]) == ("worker", worker.process.pid)
    assert set(process["queues"].split(",")) == {"mail", "odoo", "simulators", "maintenance"}
    worker.stop()
    assert place.rows("SELECT * FROM work_process") == []


@both_brokers
def test_a_job_whose_worker_is_killed_is_done_by_the_next(place):
    place.beat()
    (place.folder / "hold").touch()
    worker = place.worker()
    place.plan("tests.long", asked=True)
    eventually(lambda: place.lines("long") == ["begun"], 20)
    worker.kill()
    (place.folder / "hold").unlink()
    # Instead of waiting for a minute.
    place.rows("UPDATE job SET leased_until = '2020-01-01 00:00:00.000000' WHERE task = 'tests.long'")
    place.worker()
    eventually(lambda: place.lines("long") == ["begun", "begun", "done"], 30)
    eventually(lambda: place.job("tests.long")["outcome"] == "was long", 10)
    assert place.job("tests.long")["asked_at"] is None


@both_brokers
def test_a_worker_that_is_stopped_hands_back_what_it_has_in_hand(place):
    place.beat()
    (place.folder / "hold").touch()
    worker = place.worker()
    place.plan("tests.long", asked=True)
    eventually(lambda: place.lines("long") == ["begun"], 20)
    began = time.monotonic()
    worker.stop()
    assert time.monotonic() - began < 4
    job = place.job("tests.long")
    assert (job["leased_until"], job["tries"], job["ok"]) == (None, 0, None)
    (place.folder / "hold").unlink()
    place.worker()
    eventually(lambda: place.lines("long") == ["begun", "begun", "done"], 30)


@both_brokers
def test_a_worker_that_is_stopped_finishes_what_it_began_and_leaves_the_rest(place):
    worker = place.worker()
    with place.bell():
        for number in range(24):
            doorbell.ring(tasks.slow, number)
    eventually(lambda: place.lines("slow"), 20)
    worker.stop()
    done = len(place.lines("slow"))
    assert 8 <= done < 24
    place.worker()
    eventually(lambda: len(place.lines("slow")) >= 24, 20)
    time.sleep(1.5)
    assert sorted(map(int, place.lines("slow"))) == list(range(24))


@pytest.mark.redis
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_a_redis_that_is_killed_loses_bells_and_no_work(place):
    place.beat()
    place.redis.stop()
    place.plan("tests.tick", asked=True)
    with place.bell():
        assert not doorbell.ring_once("tests.tick", "maintenance")
    time.sleep(6)  # the scheduler has tried, too
    place.redis.start()
    eventually(lambda: doorbell_waits(place), 30)
    place.redis.stop()  # with the bell that was just rung
    place.redis.start()
    worker = place.worker()
    eventually(lambda: len(place.lines("tick")) == 1, 30)

    (place.folder / "hold").touch()
    with place.bell():
        for _ in range(12):  # more than the worker can begin: it has some in hand
            doorbell.ring(tasks.long)
    eventually(lambda: len(place.lines("long")) == 8, 20)
    place.redis.stop()  # under a worker that listens
    place.rows("UPDATE job SET asked_at = ? WHERE task = 'tests.tick'", stored(datetime.now(UTC)))
    time.sleep(3)
    place.redis.start()
    (place.folder / "hold").unlink()
    eventually(lambda: len(place.lines("tick")) == 2, 60)
    assert worker.is_running
    assert place.lines("long").count("done") >= 8
    eventually(lambda: place.job("tests.tick")["successes"] == 2, 10)


def doorbell_waits(place):
    with place.bell():
        return (doorbell.waiting() or {}).get("maintenance")


@both_brokers
def test_two_schedulers_and_two_workers_run_a_job_once_for_each_time(place):
    place.beat()
    place.beat()
    place.worker()
    place.worker()
    began = time.time()
    place.plan("tests.tick", schedule="2")
    time.sleep(9)
    place.rows("UPDATE job SET schedule = '' WHERE task = 'tests.tick'")
    time.sleep(1)
    runs = [tuple(map(float, line.split())) for line in place.lines("tick")]
    assert 2 <= len(runs) <= (time.time() - began) / 2
    for (first, _), (second, _) in itertools.pairwise(runs):
        assert second - first > 1.9


@pytest.mark.postgres
def test_a_database_that_is_away_for_a_while_costs_no_job(tmp_path):
    with (
        databases.postgres_database(tmp_path) as url,
        proxied(databases.make_url(url).port or 5432) as proxy,
    ):
        place = Place(tmp_path, url=url, proxy=proxy)
        try:
            place.beat()
            (place.folder / "hold").touch()
            worker = place.worker()
            place.plan("tests.long", asked=True)
            eventually(lambda: place.lines("long") == ["begun"], 20)
            proxy.go_away()
            place.plan("tests.tick", asked=True)
            (place.folder / "hold").unlink()
            eventually(lambda: place.lines("long") == ["begun", "done"], 20)
            time.sleep(6)
            proxy.come_back()
            eventually(lambda: place.job("tests.long")["outcome"] == "was long", 60)
            eventually(lambda: place.job("tests.tick")["successes"] == 1, 60)
            assert worker.is_running
            assert place.lines("long") == ["begun", "done"]
        finally:
            place.end()


def test_a_scheduler_stops_at_once_and_says_goodbye(tmp_path):
    place = Place(tmp_path)
    process = place.beat()
    scheduled = {row["task"] for row in place.rows("SELECT task FROM job WHERE schedule <> ''")}
    assert {"ocpp.purge_messages", "subscriptions.renew_due"} <= scheduled
    process.terminate()
    assert process.wait(5) == 0
    assert place.rows("SELECT * FROM work_process") == []


def test_a_scheduler_sets_right_what_a_clock_that_ran_ahead_has_written(tmp_path):
    place = Place(tmp_path)
    try:
        place.beat()
        place.plan("tests.tick", ago_s=-1000 * 86_400)
        place.beat()
        eventually(lambda: place.job("tests.tick")["done_until"] <= stored(datetime.now(UTC)), 60)
    finally:
        place.end()
