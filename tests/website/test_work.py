"""The staff page of the work outside of requests, and the same in numbers for Prometheus."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from app import doorbell, metrics
from app.blueprints.accounts.models import AuditEntry
from app.clock import utcnow
from app.db import db, unit_of_work
from app.jobs import ledger, presence
from app.jobs.ledger import Ended, Entry
from app.jobs.models import Job
from tests.accounts.screens import messages
from tests.databases import both_databases
from tests.factories import UserFactory

TASK = "ocpp.purge_messages"


# An application of the test's own: it is changed for good.
own_application = pytest.mark.parametrize("overrides", [{"SECRET_KEY": "its own"}])


@pytest.fixture
def job(app, work):
    """A job with a schedule that has run twice and failed once."""
    with unit_of_work() as writing:
        ledger.take_over(writing, [Entry(TASK, "maintenance", "17 */6 * * *")])
        at = utcnow() - timedelta(minutes=1)
        for ok, outcome in ((True, "7"), (False, "no answer <here>"), (True, "0")):
            run = Ended(TASK, "maintenance", "w1", at, at + timedelta(seconds=1.5), ok, outcome)
            ledger.record(writing, [run])
    return work.scalar(select(Job))


def tell(kind, queues="", doing=()):
    with unit_of_work() as work:
        presence.tell(work, presence.Me(kind, queues), doing)


ALL = "mail,maintenance,odoo,simulators"


@both_databases
def test_staff_see_queues_processes_and_jobs(staff, job):
    tell(presence.WORKER, ALL, [{"task": "mail.send", "since": "2026-01-01T00:00:00+00:00"}])
    tell(presence.BEAT)
    page = staff.get("/admin/work/").text
    assert TASK in page
    assert "17 */6 * * *" in page
    assert "mail.send" in page
    assert "mail, maintenance, odoo, simulators" in page
    assert "no answer &lt;here&gt;" in page
    assert 'class="alert' not in page


def test_the_page_warns_when_nobody_does_the_work(staff, job):
    text = staff.get("/admin/work/").text
    assert "No worker is alive" in text
    assert "No scheduler is alive" in text

    tell(presence.WORKER, "mail,maintenance")
    tell(presence.BEAT)
    text = staff.get("/admin/work/").text
    assert "No living worker listens to: odoo, simulators." in text
    assert "is alive." not in text


def test_the_page_warns_when_the_broker_is_away(app, staff, job):
    app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert "The broker is away" in staff.get("/admin/work/").text


def test_it_shows_when_a_job_runs_next_and_that_it_is_late(staff, work, job):
    job.done_until = utcnow() - timedelta(days=1)
    work.commit()
    assert "late" in staff.get("/admin/work/news/").text
    job.leased_until, job.started_at = utcnow() + timedelta(seconds=30), utcnow()
    work.commit()
    text = staff.get("/admin/work/news/").text
    assert ">running<" in text
    assert ">late<" not in text
    assert "<html" not in text


def test_a_job_has_a_page_with_its_history(staff, job):
    page = staff.get(f"/admin/work/job/{job.id}/").text
    assert page.count(">ok<") == 2
    assert page.count(">failed<") == 1
    assert "1.5" not in page
    assert staff.get("/admin/work/job/999/", follow_redirects=True).status_code == 200


@both_databases
def test_staff_have_a_job_run_now(app, staff, work, job):
    with app.app_context():
        waiting = doorbell.waiting()["maintenance"]

    answer = staff.submit("/admin/work/run/", {"task": TASK}, follow_redirects=True)

    assert f"{TASK} runs as soon as a worker is free." in messages(answer)
    work.refresh(job)
    assert job.asked_at is not None
    with app.app_context():
        assert doorbell.waiting()["maintenance"] == waiting + 1
    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.username, entry.action, entry.subject, entry.subject_id) == (
        "staff", "run", "job", str(job.id),
    )  # fmt: skip


@own_application
def test_a_job_that_is_asked_for_waits_for_a_broker_that_is_away(app, staff, work, job):
    shutil.rmtree(Path(app.config["INSTANCE_PATH"]) / "broker")
    answer = staff.submit("/admin/work/run/", {"task": TASK}, follow_redirects=True)

    assert "The broker is away" in messages(answer)
    work.refresh(job)
    assert job.asked_at is not None


@pytest.mark.parametrize("task", ["", "no.such", "x" * 300, "a\0b", "mail.send"])
def test_only_a_job_of_the_schedule_can_be_run(staff, work, job, task):
    """A task that takes an id is no job: what would it do without?"""
    with unit_of_work() as writing:
        ledger.record(writing, [Ended("mail.send", "mail", "w1", utcnow(), utcnow(), True, "")])
    answer = staff.submit("/admin/work/run/", {"task": task}, follow_redirects=True)
    assert "There is no such job." in messages(answer)
    assert work.scalars(select(AuditEntry)).all() == []


@pytest.mark.parametrize("path", ["", "news/", "job/1/"])
def test_only_staff_see_it(client, api, work, path):
    assert client.get(f"/admin/work/{path}").location.startswith("/login/")
    assert client.get(f"/admin/work/{path}", headers=api).status_code == 403
    client.log_in(UserFactory())
    assert client.get(f"/admin/work/{path}").status_code == 403
    assert client.submit("/admin/work/run/", {"task": TASK}).status_code == 403


def test_it_is_there_in_spanish(staff, job):
    page = staff.get("/admin/work/", headers={"Accept-Language": "es"}).text
    assert "Ejecutar ahora" in page
    assert "No worker is alive" not in page


# Numbers


def numbers(client, api):
    """(name, labels) → value."""
    answer = client.get("/metrics", headers=api)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return {
        (sample.name.removeprefix("constellation_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@both_databases
def test_prometheus_reads_jobs_queues_and_processes(client, api, job):
    tell(presence.WORKER, ALL)
    tell(presence.WORKER, ALL)
    with client.application.app_context():
        waiting = doorbell.waiting()
        doorbell.ring_once(TASK, "maintenance")
    found = numbers(client, api)
    assert found["job_runs_total", TASK, "ok"] == 2
    assert found["job_runs_total", "failed", TASK] == 1
    assert found["job_seconds_total", TASK] == 4.5
    assert found["job_last_seconds", TASK] == 1.5
    assert abs(found["job_last_success_timestamp_seconds", TASK] - datetime.now(UTC).timestamp()) < 70
    assert (found["job_running", TASK], found["job_late", TASK]) == (0, 0)
    assert found["queue_waiting", "maintenance"] == waiting["maintenance"] + 1
    assert found["queue_waiting", "mail"] == waiting["mail"]
    assert (found["processes_alive", "worker"], found["processes_alive", "beat"]) == (2, 0)
    assert found["broker_up",] == found["database_up",] == 1


def test_numbers_are_for_tokens_and_staff(client, staff, api):
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics").json["detail"]
    assert client.get("/metrics", headers=api).status_code == 200
    assert staff.get("/metrics").status_code == 200
    assert client.post("/metrics", headers=api).status_code == 405


@own_application
def test_a_domain_adds_its_own(app, client, api):
    metrics.register(app, lambda _work: [metrics.GaugeMetricFamily("constellation_cats", "Cats.", 9)])
    assert numbers(client, api)["cats",] == 9


def test_without_the_database_they_say_so_and_tell_the_rest(app, staff, api, client, job):
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE job RENAME TO gone")
    found = numbers(client, api)
    assert found["database_up",] == 0
    assert not any(name == "job_runs_total" for name, *_ in found)


def test_without_the_broker_they_say_so(app, client, api, job):
    app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"
    found = numbers(client, api)
    assert found["broker_up",] == 0
    assert found["job_runs_total", TASK, "ok"] == 2
    assert not any(name == "queue_waiting" for name, *_ in found)
