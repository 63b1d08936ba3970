"""Logs: a file per active domain, whole lines from several processes, turned over at midnight."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time

import pytest

from app import create_app, logs
from app.config import ROOT
from tests.servers import environ, flask

LINES = 400


@pytest.fixture
def application(tmp_path):
    """An application whose logs nobody else writes; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield create_app({"INSTANCE_PATH": str(tmp_path), "LOG_DIR": str(tmp_path / "logs")})
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    ("path", "domain"),
    [
        ("/", "website"),
        ("/healthz", "website"),
        ("/static/favicon.svg", "website"),
        ("/nothing", "website"),
        ("/chat/", "chat"),
        ("/ocpp/", "ocpp"),
        ("/readme/", "readme"),
        ("/login/", "accounts"),
        ("/admin/", "admin"),
        ("/admin/sites/", "admin"),
    ],
)
def test_a_request_is_logged_by_the_domain_that_serves_it(application, monkeypatch, path, domain):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with application.test_request_context(path):
        assert logs.active_domain() == domain


def test_a_domain_is_the_same_by_subdomain(application, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with application.test_request_context("/dashboard/", base_url="http://chat.localhost:8000"):
        assert logs.active_domain() == "chat"


def test_a_socket_is_logged_by_its_domain(application, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with application.test_request_context(
        "/ws/echo/", headers={"Upgrade": "websocket", "Connection": "Upgrade"}
    ):
        assert logs.active_domain() == "chat"


def test_outside_any_request_it_is_the_website_or_what_the_thread_says(application, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert logs.active_domain() == "website"

    monkeypatch.setattr(logs.active, "domain", "mail", raising=False)
    assert logs.active_domain() == "mail"


def test_each_domain_has_its_file(application, monkeypatch, tmp_path):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    for path in ("/chat/", "/readme/"):
        with application.test_request_context(path):
            logging.getLogger("somewhere").warning("looked at %s", path)

    assert "looked at /chat/" in (tmp_path / "logs" / "chat.log").read_text()
    assert "looked at /readme/" in (tmp_path / "logs" / "readme.log").read_text()


def test_the_tests_have_a_file_of_their_own(application, tmp_path):
    with application.test_request_context("/chat/"):
        logging.getLogger("somewhere").warning("looked")

    assert [file.name for file in (tmp_path / "logs").glob("*.log")] == ["tests.log"]


def test_json_lines_hold_the_same_facts(tmp_path):
    line = logs.JsonFormatter().format(
        logging.makeLogRecord(
            {"name": "a.b", "levelname": "INFO", "msg": "to %s", "args": ("CP1",), "charger": "CP1"}
        )
    )

    assert json.loads(line).items() >= {"logger": "a.b", "message": "to CP1", "charger": "CP1"}.items()


WRITER = """
import logging, sys
from app import create_app
create_app()
for number in range(int(sys.argv[2])):
    logging.getLogger("writer").warning("%s says %d.", sys.argv[1], number)
"""


@pytest.mark.slow
def test_two_processes_write_one_file_without_losing_a_line(tmp_path):
    env = environ(INSTANCE_PATH=str(tmp_path), LOG_DIR=str(tmp_path))
    command = [sys.executable, "-c", WRITER]
    writers = [subprocess.Popen([*command, name, str(LINES)], cwd=ROOT, env=env) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]

    said = [line.rpartition(": ")[2] for line in (tmp_path / "website.log").read_text().splitlines()]

    assert sorted(said) == sorted(
        f"{name} says {number}." for name in ("one", "two") for number in range(LINES)
    )


def test_a_file_turns_over_at_midnight_with_the_date_appended(application, monkeypatch, tmp_path):
    log, folder = logging.getLogger("somewhere"), tmp_path / "logs"
    log.warning("today")
    tomorrow = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    log.warning("tomorrow")

    (old,) = (file for file in folder.iterdir() if file.name.startswith("tests.log."))
    assert old.name == f"tests.log.{time.strftime('%Y-%m-%d', time.localtime(tomorrow - 86400))}"
    assert "today" in old.read_text()
    assert "tomorrow" in (folder / "tests.log").read_text()


def test_midnight_is_that_of_the_time_zone_setting(tmp_path):
    script = "import time; from app import create_app; create_app(); print(time.strftime('%z'))"
    env = environ(INSTANCE_PATH=str(tmp_path), LOG_DIR=str(tmp_path), TIME_ZONE="Asia/Kathmandu")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "+0545"


def test_a_folder_that_cannot_be_written_costs_no_request(tmp_path):
    (tmp_path / "logs").write_text("a file, not a folder")
    env = environ(INSTANCE_PATH=str(tmp_path), LOG_DIR=str(tmp_path / "logs"))

    assert "/healthz" in flask("routes", env=env)


def test_a_line_carries_the_ids_that_it_is_about(application, monkeypatch, tmp_path):
    log = logging.getLogger("somewhere")
    monkeypatch.setattr(logs.active, "charger", "CP1", raising=False)  # whose socket this thread serves

    log.warning("mine", extra={"message_id": "7", "action": "Heartbeat"})
    log.warning("another's", extra={"charger": "CP2"})
    monkeypatch.setattr(logs.active, "charger", "")
    log.warning("nobody's")

    said = [
        line.partition("somewhere: ")[2] for line in (tmp_path / "logs/tests.log").read_text().splitlines()
    ]
    assert said == [
        "mine [charger=CP1 message_id=7 action=Heartbeat]",
        "another's [charger=CP2]",
        "nobody's",
    ]
