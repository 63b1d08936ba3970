"""Mail with a real worker, on both brokers and both databases: killed, stopped, cut off, with much to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, insert, make_url, select, update

from app import doorbell
from app.blueprints.mailer import tasks
from app.blueprints.mailer.models import QueuedEmail
from app.config import ROOT
from tests.mailer.smtp_server import SmtpServer, smtp_server, wait_for
from tests.ocpp.crowd import Place, place
from tests.ocpp.redis_server import redis_server
from tests.ocpp.staff import eventually
from tests.workers import RunningWorker, running_worker

both_brokers = pytest.mark.parametrize("broker", ["files", pytest.param("redis", marks=pytest.mark.redis)])
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


class Post:
    """A queue on a database of its own, and the mail server that it is sent by."""

    def __init__(self, where: Place, server: SmtpServer) -> None:
        self.where, self.server = where, server
        self.engine = create_engine(make_url(where.url).set(drivername=_driver(where.url)))
        self.env = where.server.env

    def queue(self, count: int) -> None:
        """Mails to ``reader0@example.com`` and so on."""
        same = {"template": "x", "subject": "s", "body": "b" * 500, "next_try_at": EARLIER}
        rows = [same | {"to": f"reader{n}@example.com"} for n in range(count)]
        with self.engine.begin() as connection:
            connection.execute(insert(QueuedEmail), rows)

    def ring(self) -> None:
        """Call for the worker, as a commit or the beat does."""
        app = Flask(__name__)
        app.config.update(INSTANCE_PATH=self.env["INSTANCE_PATH"], REDIS_URL=self.env["REDIS_URL"])
        doorbell.init_app(app)
        with app.app_context():
            doorbell.ring(tasks.send_queued)

    def let_leases_run_out(self) -> None:
        """As five minutes would."""
        with self.engine.begin() as connection:
            held = update(QueuedEmail).where(QueuedEmail.leased_until.is_not(None))
            connection.execute(held.values(leased_until=datetime.now(UTC) - timedelta(seconds=1)))

    def states(self) -> Counter[str]:
        """How many mails are in each state; those in a worker's hand are ``held``."""
        with self.engine.connect() as connection:
            kinds = QueuedEmail.state, QueuedEmail.leased_until.is_not(None)
            rows = connection.execute(select(*kinds, func.count()).group_by(*kinds))
            return Counter({"held" if held else state: count for state, held, count in rows})

    def all_are_sent(self, count: int) -> bool:
        return self.states() == {"sent": count}

    def doubles(self) -> int:
        """How many mails came in more often than once; each of them is the same mail."""
        by_reader: dict[str, list[str]] = {}
        for mail in self.server.mails:
            by_reader.setdefault(mail.to, []).append(str(mail.message["Message-ID"]))
        assert all(len(set(ids)) == 1 for ids in by_reader.values())
        return sum(len(ids) - 1 for ids in by_reader.values())


def _driver(url: str) -> str:
    return "postgresql+psycopg" if url.startswith("postgresql") else "sqlite"


@pytest.fixture
def database() -> str:
    return "sqlite"


@pytest.fixture
def broker() -> str:
    return "files"


@pytest.fixture
def post(tmp_path: Path, database: str, broker: str) -> Iterator[Post]:
    """A queue whose worker is not started yet. Its Redis is its own: other workers would answer the bell."""
    with ExitStack() as stack:
        more = {"REDIS_URL": stack.enter_context(redis_server()).url} if broker == "redis" else {}
        server = stack.enter_context(smtp_server())
        yield stack.enter_context(queue_of(tmp_path, database, server, **more))


@contextmanager
def queue_of(folder: Path, database: str, server: SmtpServer, **env: str) -> Iterator[Post]:
    with place(database, folder, SMTP_HOST="127.0.0.1", SMTP_PORT=str(server.port), **env) as where:
        post = Post(where, server)
        yield post
        post.engine.dispose()


@pytest.fixture
def worker(post: Post, tmp_path: Path) -> Iterator[RunningWorker]:
    with running_worker(post.env, tmp_path) as worker:
        yield worker


@pytest.mark.slow
@both_brokers
def test_a_worker_that_is_killed_while_it_sends_loses_nothing_and_doubles_at_most_one_mail(
    post: Post, worker: RunningWorker
) -> None:
    post.queue(120)
    post.server.slowness_s = 0.02
    kills = 2
    for kill in range(1, kills + 1):
        post.ring()
        wait_for(post.server, 25 * kill, 30)
        worker.kill()
        assert 0 <= post.server.taken - post.states()["sent"] <= kill
        assert post.states().total() == 120
        post.let_leases_run_out()
        worker.start()
    post.ring()

    eventually(lambda: post.all_are_sent(120), 30)
    assert {mail.to for mail in post.server.mails} == {f"reader{n}@example.com" for n in range(120)}
    assert post.doubles() <= kills


@pytest.mark.slow
@both_brokers
def test_a_worker_that_is_stopped_finishes_one_mail_and_hands_back_the_others(
    post: Post, worker: RunningWorker
) -> None:
    post.queue(60)
    post.server.slowness_s = 0.2
    post.ring()
    wait_for(post.server, 5, 30)
    began = time.monotonic()
    worker.stop()

    assert time.monotonic() - began < 10
    sent = post.server.taken
    assert sent < 20
    assert post.states() == {"sent": sent, "waiting": 60 - sent}
    post.server.slowness_s = 0.0
    worker.start()
    post.ring()
    eventually(lambda: post.all_are_sent(60), 30)
    assert post.doubles() == 0


@pytest.mark.slow
def test_a_worker_that_is_stopped_does_not_wait_for_a_silent_mail_server(
    post: Post, worker: RunningWorker
) -> None:
    post.queue(3)
    post.server.answers["END"] = "hang"
    post.ring()
    eventually(lambda: "END" in post.server.heard, 30)
    began = time.monotonic()
    worker.stop()

    assert 10 < time.monotonic() - began < 22  # scripts/run kills after 25
    assert post.states() == {"waiting": 3}


@pytest.mark.slow
@pytest.mark.redis
def test_a_broker_that_forgets_everything_costs_a_minute_and_no_mail(tmp_path: Path) -> None:
    with (
        redis_server() as redis,
        smtp_server() as server,
        queue_of(tmp_path, "sqlite", server, REDIS_URL=redis.url) as post,
    ):
        post.queue(5)
        post.ring()
        redis.stop()
        redis.start()
        with running_worker(post.env, tmp_path):
            time.sleep(1)
            assert server.taken == 0
            post.ring()  # the next beat
            eventually(lambda: post.all_are_sent(5), 30)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgresql"])
def test_without_its_database_for_a_while_a_worker_loses_and_doubles_nothing(
    post: Post, worker: RunningWorker
) -> None:
    proxy = post.where.proxy
    assert proxy is not None
    post.queue(150)
    post.server.slowness_s = 0.1
    for _ in range(3):
        post.ring()
        before = post.server.taken
        wait_for(post.server, before + 8, 30)
        proxy.go_away()
        time.sleep(3)
        proxy.come_back()
        time.sleep(1)
    post.server.slowness_s = 0.0
    post.let_leases_run_out()
    post.ring()

    eventually(lambda: post.all_are_sent(150), 30)
    assert post.doubles() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "broker"),
    [
        ("sqlite", "files"),
        pytest.param("postgresql", "redis", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ],
)
def test_two_workers_share_a_queue_and_send_no_mail_twice(
    post: Post, worker: RunningWorker, tmp_path: Path
) -> None:
    post.queue(300)
    post.server.slowness_s = 0.02
    (tmp_path / "two").mkdir()
    with running_worker(post.env, tmp_path / "two"):
        while post.server.connections < 2:  # either may hear the bell
            post.ring()
            time.sleep(0.1)
        eventually(lambda: post.all_are_sent(300), 60)

    assert post.doubles() == 0
    assert post.server.connections < 8


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_mails_take_one_connection_and_no_more_memory_than_a_thousand(post: Post) -> None:
    count = 10_000
    post.queue(count)
    post.server.keep = False
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "send_queued"],
        cwd=ROOT, env=post.env | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(post.server, 1000, 60)
    early, at = resident_mb(process.pid), time.monotonic()
    wait_for(post.server, count - 200, 200)
    late, seconds = resident_mb(process.pid), time.monotonic() - at
    output = process.communicate(timeout=60)[0]
    print(f"{(count - 1200) / seconds:.0f} mails/s, {early:.0f} MB after 1,000, {late:.0f} MB at the end")

    assert f"{count} sent, 0 later, 0 failed." in output
    assert post.all_are_sent(count)
    assert post.server.connections == 1
    assert late - early < 10


@pytest.mark.slow
def test_a_slow_server_and_nothing_else_sets_the_pace(post: Post) -> None:
    post.queue(200)
    post.server.slowness_s = 0.02
    process = subprocess.Popen([sys.executable, "-m", "flask", "send_queued"], cwd=ROOT, env=post.env)
    wait_for(post.server, 1, 60)
    worked = processor_s(process.pid)
    wait_for(post.server, 200, 60)
    worked = processor_s(process.pid) - worked
    process.wait(30)

    # Processor time: what else the machine does meanwhile is not the mailer's fault.
    print(f"{1000 * worked / 199:.1f} ms of work a mail, for which the server takes 20")
    assert worked < 199 * 0.02
    assert post.server.connections == 1


def processor_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
