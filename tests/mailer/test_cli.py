"""``flask send_queued``, and the task that does the same every minute."""

from __future__ import annotations

import runpy

from app.blueprints.mailer.tasks import send_queued
from app.config import ROOT
from tests.mailer.smtp_server import DROP


def run(app, *arguments):
    done = app.test_cli_runner().invoke(args=list(arguments))
    return done.exit_code, done.output


def test_the_command_sends_and_counts(app, server, queue):
    queue("ann@example.com", "bob@example.com", "eve@example.com")
    server.answers = {"ann@example.com": "550 no", "bob@example.com": "451 later"}

    assert run(app, "send_queued") == (0, "1 sent, 1 later, 1 failed.\n")
    assert run(app, "send_queued") == (0, "0 sent, 0 later, 0 failed.\n")


def test_the_command_says_which_trouble_the_server_is_in(app, server, queue):
    queue("ann@example.com")
    server.answers["CONNECT"] = DROP
    for _ in range(2):
        code, output = run(app, "send_queued")
        assert code == 1
        assert "The rest waits: no connection to 127.0.0.1" in output
    assert server.connections == 2
    server.answers.clear()

    assert run(app, "send_queued") == (0, "1 sent, 0 later, 0 failed.\n")


def test_without_a_server_the_command_says_what_waits(app, queue):
    queue("ann@example.com")

    assert run(app, "send_queued") == (0, "SMTP_HOST is not set; waiting: 1.\n")


def test_the_task_sends(server, queue):
    queue("ann@example.com")

    assert send_queued() == 1
    assert send_queued() == 0


def test_the_task_is_on_the_schedule_every_minute_and_in_its_queue():
    # Not by import: the worker package starts an application of its own.
    schedule = runpy.run_path(str(ROOT / "worker" / "schedule.py"))["SCHEDULE"]
    queue_of = runpy.run_path(str(ROOT / "worker" / "queues.py"))["queue_of"]
    (entry,) = [entry for entry in schedule.values() if entry["task"] == send_queued.name]

    assert queue_of(send_queued) == "mail"
    assert entry["schedule"].minute == set(range(60))
