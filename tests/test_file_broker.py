"""The file broker: whole messages only, each to one worker, in order, and quick to stop."""

from __future__ import annotations

import threading
import time

import pytest
from flask import Flask
from kombu import Connection

from app import doorbell, file_broker


@pytest.fixture
def settings(tmp_path):
    return {"INSTANCE_PATH": str(tmp_path), "REDIS_URL": ""}


@pytest.fixture
def folder(settings, tmp_path):
    doorbell.broker(settings)
    return tmp_path / "broker" / "queue"


@pytest.fixture
def connect(settings):
    """Open connections as Celery does."""
    conf, opened = doorbell.broker(settings), []

    def open_one():
        options = {"transport_options": conf["broker_transport_options"]}
        opened.append(Connection(conf["broker_url"], transport=conf["broker_transport"], **options))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.release()


def put(connection, *bodies, queue="mail"):
    with connection.SimpleQueue(queue) as simple:
        for body in bodies:
            simple.put(body)


def get(connection, queue="mail"):
    """Take everything that waits."""
    found = []
    with connection.SimpleQueue(queue) as simple:
        while True:
            try:
                message = simple.get_nowait()
            except simple.Empty:
                return found
            message.ack()
            found.append(message.payload)


def test_messages_come_in_order_each_to_its_queue(connect):
    put(connect(), *range(30))
    put(connect(), "other", queue="odoo")
    assert get(connect()) == list(range(30))
    assert get(connect(), "odoo") == ["other"]


def test_a_message_is_one_workers(connect):
    put(connect(), *range(200))
    got, ready = [], threading.Barrier(4)

    def take(connection):
        ready.wait()
        got.extend(get(connection))

    threads = [threading.Thread(target=take, args=(connect(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(200))


def test_half_a_message_ends_no_worker(connect, folder, caplog):
    (folder / "1_a.mail.msg").write_text("")
    (folder / "2_b.mail.msg").write_text('{"body": ')
    put(connect(), "whole")
    assert get(connect()) == ["whole"]
    assert caplog.text.count("broken") == 2
    assert list(folder.iterdir()) == []


def test_a_broken_list_of_bindings_is_made_anew(connect, folder):
    put(connect(), "a")
    for file in (folder.parent / "control").iterdir():
        file.write_text("")
    put(connect(), "b")
    assert get(connect()) == ["a", "b"]


def test_a_message_is_written_whole_or_not_at_all(connect, folder, monkeypatch):
    def full(*_names):
        raise OSError(28, "No space left on device")

    put(connect(), "first")
    monkeypatch.setattr(file_broker.os, "rename", full)
    with pytest.raises(Exception, match="No space left"):
        put(connect(), "lost")
    monkeypatch.undo()
    assert get(connect()) == ["first"]
    assert list(folder.iterdir()) == []


def test_a_waiting_worker_looks_up_soon(connect):
    began = time.monotonic()
    with connect() as connection, connection.channel(), pytest.raises(TimeoutError):
        connection.drain_events(timeout=2.0)
    assert time.monotonic() - began < 1.0


def test_what_a_worker_took_and_did_not_finish_goes_back(connect):
    put(connect(), "a", "b")
    first = connect()
    with first.SimpleQueue("mail") as simple:
        assert simple.get_nowait().payload == "a"
    first.release()
    assert sorted(get(connect())) == ["a", "b"]


def test_what_waits_is_counted(connect, settings, folder):
    put(connect(), 1, 2, 3)
    put(connect(), 1, queue="odoo")
    (folder / ".7_draft.mail.msg").write_text("")
    app = Flask(__name__)
    app.config.update(settings)
    with app.app_context():
        assert doorbell.waiting() == {"mail": 3, "odoo": 1, "simulators": 0, "maintenance": 0}


@pytest.mark.redis
def test_what_waits_in_redis_is_counted_and_unknown_while_that_is_away(redis_url):
    app = Flask(__name__)
    app.config.update(REDIS_URL=redis_url)
    doorbell.init_app(app)
    with app.app_context():
        assert doorbell.ring_once("no.such", "odoo")
        assert doorbell.waiting() == {"mail": 0, "odoo": 1, "simulators": 0, "maintenance": 0}
        app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"
        assert doorbell.waiting() is None
