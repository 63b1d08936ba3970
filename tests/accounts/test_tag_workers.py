"""Files of tags with a real server and worker: on both brokers, killed in the middle, beside chargers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from app import doorbell
from app.blueprints.accounts import tasks
from scripts.benchmark.load import Load
from tests.accounts.desk import Desk, csv_of
from tests.ocpp.crowd import Place, place
from tests.ocpp.rules import connect
from tests.ocpp.staff import eventually
from tests.workers import RunningWorker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MANY = 50_000
CHARGERS = 20

on_both = pytest.mark.parametrize(
    "site", [("sqlite", ""), pytest.param(("postgresql", "redis"), marks=pytest.mark.postgres)], indirect=True
)


class Site:
    """A server with its database, somebody at its desk, and a worker when it is told to work."""

    def __init__(self, where: Place, folder: Path, engine: Engine) -> None:
        self.where, self.server, self.engine = where, where.server, engine
        self.desk = Desk(where.server)
        self.worker = RunningWorker(where.server.env, folder)

    def ask(self, sql: str, **values: object) -> list[tuple]:
        """Rows of the database."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def tags(self) -> int:
        """How many tags there are."""
        return int(self.ask("SELECT count(*) FROM rfid")[0][0])

    def expire_lease(self, import_id: int) -> None:
        """Long after the worker died."""
        with self.engine.begin() as connection:
            statement = (
                "UPDATE tag_import SET leased_until = '2026-01-01 00:00:00.000000+00:00' WHERE id = :id"
            )
            connection.execute(text(statement), {"id": import_id})

    def ring(self) -> None:
        """What beat does every minute."""
        app = Flask(__name__)
        app.config.update(INSTANCE_PATH=str(self.server.instance), REDIS_URL=self.server.env["REDIS_URL"])
        doorbell.init_app(app)
        with app.app_context():
            doorbell.ring(tasks.find_tag_files)

    def in_hand(self, import_id: int, state: str) -> bool:
        """Whether a worker has leased an import in this state."""
        (found,) = self.ask("SELECT state, leased_by FROM tag_import WHERE id = :id", id=import_id)
        return found[0] == state and found[1] != ""


@contextmanager
def site_of(kind: str, redis_url: str, folder: Path) -> Iterator[Site]:
    env = {"REDIS_URL": redis_url} if redis_url else {}
    with place(kind, folder, **env) as where:
        where.server.start()
        engine = connect(where.url)
        found = Site(where, folder, engine)
        try:
            yield found
        finally:
            found.worker.stop()
            engine.dispose()


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A database, and a broker: files or Redis."""
    kind, broker = request.param
    redis_url = request.getfixturevalue("redis_url") if broker else ""
    with site_of(kind, redis_url, tmp_path) as found:
        yield found


def many(site: Site, count: int = MANY) -> bytes:
    return csv_of((f"{number:08X}", site.desk.name, True) for number in range(count))


@on_both
def test_a_file_goes_from_the_browser_to_the_database(site: Site) -> None:
    site.worker.start()
    desk = site.desk

    id = desk.send_tags("tags.csv", csv_of([("0A0B0C0D", desk.name, True), ("0A0B0C0E", "", False)]))
    assert desk.wait_for(id, "checked", "bad") == "checked"
    assert site.tags() == 0
    desk.decide(id, "confirm")
    assert desk.wait_for(id, "applied", "stale") == "applied"

    assert site.ask("SELECT rfid, allowed FROM rfid ORDER BY rfid") == [("0A0B0C0D", 1), ("0A0B0C0E", 0)]


@on_both
def test_a_worker_killed_while_it_reads_loses_nothing(site: Site) -> None:
    id = site.desk.send_tags("tags.csv", many(site))
    for _ in range(2):
        site.worker.start()
        site.ring()
        eventually(lambda: site.in_hand(id, "waiting"), 30)
        site.worker.kill()
        assert site.desk.state(id) == "waiting"
        assert site.tags() == 0
        site.expire_lease(id)

    site.worker.start()
    site.ring()
    assert site.desk.wait_for(id, "checked", "bad", "failed") == "checked"
    found = site.ask("SELECT lines, created, changed, bad FROM tag_import WHERE id = :id", id=id)
    assert found == [(MANY, MANY, 0, 0)]


@on_both
def test_a_worker_killed_while_it_writes_writes_all_or_nothing_and_never_twice(site: Site) -> None:
    site.worker.start()
    id = site.desk.send_tags("tags.csv", many(site))
    assert site.desk.wait_for(id, "checked", "bad") == "checked"
    site.worker.kill()
    site.desk.decide(id, "confirm")
    for pause_s in (0.02, 0.15):
        site.worker.start()
        site.ring()
        eventually(lambda: site.in_hand(id, "confirmed") or site.tags(), 30)
        time.sleep(pause_s)
        site.worker.kill()
        state, tags = site.desk.state(id), site.tags()
        assert (state, tags) in (("confirmed", 0), ("applied", MANY))
        if state == "confirmed":
            site.expire_lease(id)

    site.worker.start()
    site.ring()
    assert site.desk.wait_for(id, "applied", "stale", "failed") == "applied"
    assert site.tags() == MANY
    assert site.ask("SELECT count(*) FROM audit_entry WHERE action = 'import'") == [(1,)]


@on_both
def test_fifty_thousand_tags_hold_no_charger_up(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.where.give_credit(CHARGERS)
    before = site.tags()
    site.worker.start()
    desk, content, told = site.desk, many(site), list[str]()

    def work() -> None:
        id = desk.send_tags("tags.csv", content)
        told.append(desk.wait_for(id, "checked", "bad"))
        desk.decide(id, "confirm")
        told.append(desk.wait_for(id, "applied", "stale", "failed"))
        desk.get("/admin/rfids/export/csv/")
        desk.get("/admin/rfids/export/xlsx/")

    with Load(site.server.port, CHARGERS) as load:
        load.connect()
        windows = [load.run(3)]
        working = threading.Thread(target=work)
        working.start()
        while working.is_alive():
            windows.append(load.run(10))
        working.join()
        windows.append(load.run(3))
        load.drain()

        assert told == ["checked", "applied"]
        assert not load.ledger.errors
        assert not load.ledger.unanswered
        assert site.tags() == before + MANY
        with capsys.disabled():
            print()
            for window in windows:
                percentiles = f"p50 {window.p50_ms:.1f} ms, p99 {window.p99_ms:.1f} ms"
                print(f"  {window.calls_per_s:.0f} calls/s, {percentiles}")
        site.server.stop()
        site.where.check(load)
