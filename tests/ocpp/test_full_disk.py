"""A full disk: nothing is acknowledged that is not stored, nothing is lost, and with room all goes on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from markupsafe import escape
from sqlalchemy import Engine, event, func, select, text

from app import disk
from app.blueprints.ocpp import writer
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.services import landing
from app.blueprints.ocpp.terms import Settings
from app.blueprints.ocpp.work import Work
from app.blueprints.qrcodes.models import QRLink
from app.db import db
from scripts.benchmark.load import Load
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerFactory, UserFactory
from tests.ocpp.crowd import Place
from tests.ocpp.staff import Api, eventually
from tests.ocpp.test_journal import Put

CHARGERS = 40
# What PostgreSQL says of a full disk, said by PostgreSQL.
DISK_FULL = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM full_disk) THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
        END IF;
    END $$
"""


class Disk:
    """The room that a database has. SQLite's own limit of pages gives its own error; PostgreSQL is told."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pages = 0

    def fill(self) -> None:
        """Let the database not grow by a page."""
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect() as connection:
                self._pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        else:
            self._write("INSERT INTO full_disk VALUES (1)")

    def empty(self) -> None:
        """Make room."""
        if self._engine.dialect.name == "sqlite":
            self._pages = 0
        else:
            self._write("DELETE FROM full_disk")

    def watch(self, connection: Any) -> None:
        """Every transaction of SQLite begins with the limit in force."""
        connection.exec_driver_sql(f"PRAGMA max_page_count = {self._pages or 2**30}")

    def need_room(self, work: Work) -> None:
        """Write more than a page."""
        if work.db.sqlite:
            work.db.run("INSERT INTO filler VALUES (randomblob(20000))")
        else:
            work.db.run(DISK_FULL)

    def _write(self, sql: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(sql))


@pytest.fixture(autouse=True)
def _notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "notes", disk.Notes())
    monkeypatch.setattr(writer, "FULL_PAUSE_S", 0.05)


@pytest.fixture
def engine(app: Flask) -> Iterator[Engine]:
    with app.app_context():
        engine = db.engine
    tables = ("scratch (id INTEGER PRIMARY KEY, mother INTEGER)", "full_disk (n INTEGER)", "filler (x BYTEA)")
    with engine.begin() as connection:
        for table in tables:
            connection.execute(text(f"CREATE TABLE {table}"))
    yield engine
    with engine.begin() as connection:
        for table in tables:
            connection.execute(text(f"DROP TABLE {table.split()[0]}"))


@pytest.fixture
def storage(engine: Engine) -> Iterator[Disk]:
    storage = Disk(engine)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", storage.watch)
    yield storage
    storage.empty()
    if engine.dialect.name == "sqlite":
        event.remove(engine, "begin", storage.watch)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {2**30}")


@pytest.fixture
def journal(engine: Engine) -> Iterator[Journal]:
    journal = Journal(engine, Settings())
    yield journal
    journal.stop()


def stored(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT id FROM scratch ORDER BY id"))]


def submit(journal: Journal, *operations: Put) -> None:
    for operation in operations:
        journal.submit(operation)


@both_databases
def test_messages_wait_for_room_and_are_stored_once(
    journal: Journal, engine: Engine, storage: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    submit(journal, first := Put(0, before=storage.need_room))
    assert first.outcome() == 0
    storage.fill()
    waiting = [Put(id, before=storage.need_room) for id in range(1, 40)]
    submit(journal, *waiting)
    eventually(lambda: disk.notes.is_full)
    time.sleep(0.4)
    assert all(not operation.told for operation in waiting)
    assert stored(engine) == [0]

    storage.empty()
    assert [operation.outcome() for operation in waiting] == list(range(1, 40))
    assert stored(engine) == list(range(40))
    eventually(lambda: not disk.notes.is_full)
    assert caplog.text.count("THE DISK IS FULL") == 1
    assert caplog.text.count("there is room on the disk again") == 1


@both_databases
def test_messages_that_wait_too_long_fail_and_then_at_once_what_comes(
    journal: Journal, engine: Engine, storage: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_S", 0.5)
    storage.fill()
    waiting = [Put(id, before=storage.need_room) for id in range(5)]
    submit(journal, *waiting)
    assert all(isinstance(operation.outcome(), Exception) for operation in waiting)

    began = time.monotonic()
    submit(journal, later := Put(10, before=storage.need_room))
    assert isinstance(later.outcome(), Exception)
    assert time.monotonic() - began < 0.4

    storage.empty()
    submit(journal, back := Put(11, before=storage.need_room))
    assert back.outcome() == 11
    assert stored(engine) == [11]


@both_databases
def test_a_bad_operation_is_still_told_from_a_full_disk(
    journal: Journal, engine: Engine, storage: Disk
) -> None:
    storage.fill()
    operations = [Put(id, before=storage.need_room) for id in (1, 2, 2, 3)]
    submit(journal, *operations)
    eventually(lambda: disk.notes.is_full)
    storage.empty()
    outcomes = [operation.outcome() for operation in operations]
    assert outcomes[:2] == [1, 2]
    assert "IntegrityError" in str(type(outcomes[2]).__mro__)
    assert outcomes[3] == 3
    assert stored(engine) == [1, 2, 3]


@both_databases
def test_a_process_that_ends_does_not_wait_for_room(journal: Journal, storage: Disk) -> None:
    storage.fill()
    submit(journal, operation := Put(1, before=storage.need_room))
    eventually(lambda: disk.notes.is_full)
    began = time.monotonic()
    journal.stop()
    assert time.monotonic() - began < 2
    assert isinstance(operation.outcome(), Exception)


def test_the_log_cries_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = disk.Notes()
    for _ in range(50):
        notes.full(OSError("no space"))
    assert caplog.text.count("THE DISK IS FULL") == 1
    monkeypatch.setattr(disk, "CRY_S", 0.0)
    notes.full(OSError("no space"))
    assert caplog.text.count("THE DISK IS FULL") == 2


def test_staff_are_told_and_lose_nothing_of_their_form(staff: Browser, storage: Disk, work: Any) -> None:
    UserFactory()
    work.commit()
    storage.fill()
    form = {"charger_id": "NEW-1", "name": "x" * 90, "registration_status": "Accepted",
            "config": '{"note": "' + "y" * 60_000 + '"}'}  # fmt: skip
    answer = staff.submit("/admin/charger/new/", form)
    assert answer.status_code == 200
    assert "The disk is full" in answer.text
    assert "NEW-1" in answer.text
    assert staff.get("/healthz").json["detail"] == "disk full"
    storage.empty()
    assert staff.submit("/admin/charger/new/", form).status_code == 302
    assert staff.get("/healthz").status_code == 200


def test_a_charger_is_shown_for_the_first_time(client: Browser, storage: Disk, work: Any) -> None:
    ids = [
        f"{number:02}" + "ñ" * 98 for number in range(30)
    ]  # their codes take more than is left of the pages
    for id in ids:
        ChargerFactory(charger_id=id)
    work.commit()
    storage.fill()

    assert {client.get(landing.address("", id)).status_code for id in ids} == {200}
    last = client.get(landing.address("", ids[-1])).text
    assert 'class="qr" src="data:image/png;base64,' in last
    assert escape(landing.address("http://localhost:8000", ids[-1])) in last
    assert work.scalar(select(func.count(QRLink.id))) < len(ids)
    assert client.get("/healthz").json["detail"] == "disk full"

    storage.empty()
    assert 'src="/qrcodes/images/' in client.get(landing.address("", ids[-1])).text


# A disk that is really full


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own in a folder."""
    folder.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Write until nothing goes any more."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


@pytest.mark.slow
def test_e9_a_full_disk_stops_acknowledgements_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "instance", 256):
        place = Place(tmp_path)
        place.give_credit(CHARGERS)
        server, filler = place.server, place.server.instance / "filler"
        server.start()
        try:
            with Load(server.port, CHARGERS) as load:
                load.connect()
                load.run(2)
                fill(filler)
                stopped_at = wait_until_silent(load)
                assert Api(server).get("/healthz")[1]["detail"] == "disk full"
                filler.unlink()
                assert load.run(3).calls > 0
                load.drain()
                assert load.ledger.calls > stopped_at
                eventually(lambda: Api(server).get("/healthz")[0] == 200, 40)
                assert not load.ledger.errors
            assert "THE DISK IS FULL" in (server.logs / "ocpp.log").read_text()
            server.stop()
            place.check(load)
        finally:
            server.kill()


def wait_until_silent(load: Load, within_s: float = 20.0) -> int:
    """Let the chargers speak until nobody is answered any more; return how many calls were."""
    until = time.monotonic() + within_s
    while load.run(1).calls:
        assert time.monotonic() < until, "it answers all the same"
    return load.ledger.calls
