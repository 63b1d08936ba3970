"""Backups: whole or not at all, made while chargers write, and put back with what was there kept aside."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app import disk, stopping
from app.backup import archive, making, postgres, restoring, sqlite
from app.backup.errors import BackupFailed
from app.blueprints.accounts.models import User
from app.blueprints.website import tasks
from app.db import db, unit_of_work
from app.jobs import presence
from tests import databases
from tests.databases import both_databases
from tests.factories import TransactionFactory, UserFactory
from tests.servers import environ, flask


@pytest.fixture
def folder(tmp_path_factory):
    """Where backups go. (With ``tmp_path`` each test would have an application of its own.)"""
    return tmp_path_factory.mktemp("backups")


@pytest.fixture
def instance(app):
    """The instance folder; what restoring leaves there is removed."""
    place = Path(app.config["INSTANCE_PATH"])
    yield place
    for left in (*place.glob("*.before-restore-*"), place / "secret_key", place / "run.lock"):
        left.unlink(missing_ok=True)


@pytest.fixture
def key(instance):
    """The installation's key, in its file."""
    file = instance / "secret_key"
    file.write_text("the first key")
    return file


def back_up(app, target):
    file, manifest = making.make(db.engine, app.config, target)
    db.session.rollback()
    return file, manifest


def restore(app, path):
    db.session.rollback()
    with restoring.opened(db.engine, app.config, path) as opened:
        return restoring.put(db.engine, app.config, opened)


def members(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


def users(work):
    work.rollback()
    return work.scalars(select(User.username).order_by(User.id)).all()


# Making


@both_databases
def test_a_backup_is_one_file_that_says_what_is_in_it(app, work, key, folder):
    UserFactory.create_batch(3)
    TransactionFactory()
    work.commit()
    count = work.scalar(select(func.count()).select_from(User))
    file, manifest = back_up(app, folder / "copy.tar.gz")
    assert members(file) == ["manifest.json", "secret_key", f"database.{db.engine.dialect.name}"]
    assert file.stat().st_mode & 0o077 == 0
    assert manifest.rows["user"] == count
    assert manifest.rows["charge_transaction"] == 1
    assert manifest.revision == work.scalar(text("SELECT version_num FROM alembic_version"))
    assert [path.name for path in folder.glob(".constellation*")] == []


def test_a_backup_into_a_folder_has_the_time_in_its_name(app, work, folder):
    (folder / "copies").mkdir()
    file, _ = back_up(app, folder / "copies")
    assert file.parent.name == "copies"
    assert file.name.startswith("constellation-20")


def test_a_backup_replaces_no_file(app, work, folder):
    (folder / "copy").write_text("precious")
    with pytest.raises(BackupFailed, match="exists already"):
        back_up(app, folder / "copy")
    assert (folder / "copy").read_text() == "precious"


def test_a_place_that_cannot_be_written_to_is_named(app, work):
    with pytest.raises(BackupFailed, match="/proc/nowhere"):
        back_up(app, Path("/proc/nowhere/copy"))


@both_databases
def test_room_is_looked_for_before(app, work, folder, monkeypatch):
    monkeypatch.setattr(disk, "room", lambda folder: disk.Room(str(folder), 10 * 1024**2, 1024**3))
    with pytest.raises(BackupFailed, match=r"too little room .* 10 MB are free"):
        back_up(app, folder / "copy")
    assert not (folder / "copy").exists()


def test_a_damaged_database_is_found_and_not_kept(app, work, folder):
    UserFactory.create_batch(200)
    work.commit()
    work.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    work.rollback()
    db.engine.dispose()
    with making.database_file(db.engine).open("r+b") as file:
        file.seek(0, os.SEEK_END)
        for page in range(3, file.tell() // 4096, 2):
            file.seek(page * 4096)
            file.write(b"\xff" * 512)
    with pytest.raises(BackupFailed, match="damaged"):
        back_up(app, folder / "copy")
    assert not (folder / "copy").exists()


@both_databases
def test_a_worker_that_is_told_to_stop_leaves_no_backup(app, work, folder):
    told = []

    def proceed():
        told.append(1)
        if len(told) > 2:
            raise stopping.HandedBack

    with pytest.raises(stopping.HandedBack):
        making.make(db.engine, app.config, folder / "copy", proceed)
    assert not (folder / "copy").exists()
    assert list(folder.glob(".constellation*")) == []


@pytest.mark.postgres
@databases.only_postgres
def test_without_pg_dump_the_sentence_says_what_to_install(app, work, folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(BackupFailed, match=r"pg_dump was not found: install .*postgresql-client"):
        back_up(app, folder / "copy")


# Nightly


@both_databases
def test_the_nightly_backup_keeps_the_newest_few_and_touches_nothing_else(app, work, folder, monkeypatch):
    app.config.update(BACKUP_DIR=str(folder), BACKUP_KEEP=3)
    others = ["constellation-20260101T000000Z.tar.gz", "nightly-20260101T000000Z.tar.gz.old", "notes.txt"]
    for name in [*others, *(f"nightly-202601{day:02}T031500Z.tar.gz" for day in range(1, 6))]:
        (folder / name).write_text("x")
    db.session.rollback()
    told = tasks.back_up()
    left = sorted(file.name for file in folder.iterdir())
    nightly = [name for name in left if name not in others]
    assert nightly[:2] == ["nightly-20260104T031500Z.tar.gz", "nightly-20260105T031500Z.tar.gz"]
    assert len(nightly) == 3
    assert told.startswith(nightly[2])
    assert set(others) <= set(left)
    assert "database." in members(folder / nightly[2])[-1]


def test_a_backup_that_fails_costs_no_older_one(app, work, folder, monkeypatch):
    app.config["BACKUP_DIR"] = str(folder)
    for day in range(1, 6):
        (folder / f"nightly-202601{day:02}T031500Z.tar.gz").write_text("x")
    monkeypatch.setattr(disk, "room", lambda folder: disk.Room(str(folder), 0, 1))
    with pytest.raises(BackupFailed):
        tasks.back_up()
    assert len(list(folder.iterdir())) == 5


# Restoring


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory):
    """A PostgreSQL database that a restore may turn inside out."""
    with databases.postgres_database(tmp_path_factory.mktemp("restore")) as url:
        yield url


@pytest.fixture
def database(request, sqlite_template, worker_folder):
    """As everywhere, and a PostgreSQL database for restores."""
    kind = getattr(request, "param", "sqlite")
    if kind == "sqlite":
        return databases.copy_sqlite(sqlite_template, worker_folder)
    url = request.getfixturevalue("own_postgres" if kind == "own" else "postgres_url")
    databases.empty(url)
    return url


may_restore = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("own", marks=pytest.mark.postgres)], indirect=True
)


@may_restore
def test_a_restored_backup_is_what_was_and_what_came_after_is_kept_aside(app, work, key, folder):
    UserFactory(username="before")
    work.commit()
    file, _ = back_up(app, folder / "copy")
    UserFactory(username="after")
    work.commit()
    key.write_text("another key")

    done = restore(app, file)

    assert users(work) == ["before"]
    assert key.read_text() == "the first key"
    assert key.stat().st_mode & 0o077 == 0
    assert Path(done.old_key).read_text() == "another key"
    if db.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(done.old_database)) as old:
            assert old.execute("SELECT count(*) FROM user").fetchone() == (2,)
    else:
        assert work.scalar(text(f'SELECT count(*) FROM "{done.old_database}"."user"')) == 2
    UserFactory(username="anew")  # numbering goes on, and the schema is whole
    TransactionFactory()
    work.commit()
    assert not restoring.is_older(app.config, done.manifest)
    again, manifest = back_up(app, folder / "again")
    assert manifest.rows["user"] == 3
    restore(app, again)
    assert "anew" in users(work)


@may_restore
def test_restore_refuses_while_the_server_runs(app, work, instance, folder):
    file, _ = back_up(app, folder / "copy")
    with (instance / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupFailed, match="the server is running"):
            restore(app, file)
    with unit_of_work() as living:
        presence.tell(living, presence.Me(presence.WORKER))
    with pytest.raises(BackupFailed, match=r"a worker process on .* uses this database"):
        restore(app, file)


def damaged(path, **changes):
    """A copy of a backup whose manifest says something else; ``drop``: a member that is left out."""
    target = path.with_name("damaged")
    with tarfile.open(path) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            data = old.extractfile(member).read()
            if member.name == "manifest.json":
                data = json.dumps({**json.loads(data), **changes}).encode()
            entry = tarfile.TarInfo(member.name)
            entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))
    return target


UNFIT = [
    ({"format": 99}, "newer version"),
    ({"revision": "9999"}, "newer version"),
    ({"database": "postgresql", "files": {}}, "is of a postgresql database"),
    ({"database": "oracle", "files": {}}, "is of a oracle database"),
    ({"rows": {"user": 1}}, "damaged"),
    ({"files": {"database.sqlite": "0" * 64}}, "damaged"),
    ({"files": {"../../../tmp/evil": "0" * 64}}, "no backup"),
    ({"files": {}}, "damaged|no such"),
    ({"surprise": 1}, "no backup"),
]


def test_what_does_not_fit_is_refused_and_nothing_changes(app, work, key, instance, folder):
    UserFactory(username="before")
    work.commit()
    file, _ = back_up(app, folder / "copy")
    UserFactory(username="after")
    work.commit()
    before = {path.name for path in (*folder.iterdir(), *instance.iterdir())} | {"damaged", "run.lock"}
    for changes, why in UNFIT:
        with pytest.raises(BackupFailed, match=why):
            restore(app, damaged(file, **changes))
        assert users(work) == ["before", "after"]
        after = {path.name for path in (*folder.iterdir(), *instance.iterdir())}
        assert {name for name in after if not name.endswith(("-wal", "-shm"))} <= before


def test_half_a_backup_is_refused(app, work, instance, folder):
    UserFactory.create_batch(50)
    work.commit()
    file, _ = back_up(app, folder / "copy")
    data = file.read_bytes()
    for share in (0.0, 0.3, 0.9):
        file.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(BackupFailed, match="damaged"):
            restore(app, file)
    assert len(users(work)) == 50


def test_anything_else_is_no_backup(app, work, instance, folder):
    (folder / "text").write_text("hello")
    with tarfile.open(folder / "tar", "w:gz"):
        pass
    for name in ("text", "tar", "missing"):
        with pytest.raises(BackupFailed):
            restore(app, folder / name)


def test_a_broken_database_can_be_replaced(app, work, instance, folder):
    UserFactory(username="before")
    work.commit()
    file, _ = back_up(app, folder / "copy")
    db.session.rollback()
    db.engine.dispose()
    place = making.database_file(db.engine)
    place.write_bytes(b"this is no database at all" * 400)
    place.with_name(f"{place.name}-wal").write_bytes(b"nor is this" * 100)

    done = restore(app, file)

    assert users(work) == ["before"]
    assert Path(done.old_database).read_bytes().startswith(b"this is no database")


def test_a_fresh_installation_takes_a_backup(app, work, instance, folder, key):
    UserFactory(username="before")
    work.commit()
    file, _ = back_up(app, folder / "copy")
    db.session.rollback()
    db.engine.dispose()
    for part in instance.glob("constellation.sqlite3*"):
        part.unlink()
    key.unlink()
    done = restore(app, file)
    assert (done.old_database, done.old_key) == ("", "")
    assert users(work) == ["before"]
    assert key.read_text() == "the first key"


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["own"], indirect=True)
def test_a_restore_that_fails_leaves_everything_as_it_was(app, work, folder, monkeypatch):
    UserFactory(username="before")
    work.commit()
    file, _ = back_up(app, folder / "copy")
    UserFactory(username="after")
    work.commit()

    def refuse(_found):
        raise BackupFailed("not these rows")

    db.session.rollback()
    with restoring.opened(db.engine, app.config, file) as opened:
        for source, check in ((opened.database, refuse), (file, lambda found: None)):
            with pytest.raises(BackupFailed):
                postgres.restore(db.engine, source, "before_restore_test", check)
    assert users(work) == ["before", "after"]
    assert (
        work.scalar(text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'before_restore_test'")) == 0
    )


# By command


def test_the_commands_make_a_backup_and_put_it_back(app, work, key, folder):
    run, copy = app.test_cli_runner().invoke, str(folder / "copy")
    UserFactory(username="before")
    work.commit()
    assert f"{copy}: " in run(args=["backup", copy]).output
    UserFactory(username="after")
    work.commit()
    key.write_text("another key")

    asked = run(args=["restore", copy], input="n\n")
    assert "A backup of 20" in asked.output
    assert asked.exit_code == 1
    assert users(work) == ["before", "after"]

    done = run(args=["restore", copy, "--yes"])
    assert done.exit_code == 0
    assert "The old database is kept: file " in done.output
    assert "The old secret key is kept: " in done.output
    assert users(work) == ["before"]
    (folder / "text").write_text("hello")
    for command in (["backup", copy], ["restore", str(folder / "text"), "--yes"]):
        refused = run(args=command)
        assert refused.exit_code == 1
        assert refused.output.startswith("Error: ")
        assert "Traceback" not in refused.output


def test_a_key_from_the_environment_is_not_in_the_file(app, work, folder):
    said = app.test_cli_runner().invoke(args=["backup", str(folder / "copy")]).output
    assert "SECRET_KEY comes from the environment" in said
    assert "secret_key" not in members(folder / "copy")


# While others write, and when it is killed

WRITER = """
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
file.execute("PRAGMA synchronous=FULL")
slowest = number = 0
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    began = time.monotonic()
    file.execute("BEGIN IMMEDIATE")
    file.execute("UPDATE pair SET a = a + 1")
    file.execute("UPDATE pair SET b = b + 1")
    file.execute("INSERT INTO filler VALUES (randomblob(2000))")
    file.execute("COMMIT")
    slowest = max(slowest, time.monotonic() - began)
    number += 1
print(number, slowest)
"""


def big_database(path, megabytes):
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("CREATE TABLE alembic_version (version_num TEXT)")
        file.execute("CREATE TABLE pair (a INTEGER, b INTEGER)")
        file.execute("CREATE TABLE filler (x BLOB)")
        file.execute("BEGIN")
        file.execute("INSERT INTO pair VALUES (0, 0)")
        for _ in range(megabytes):
            file.execute("INSERT INTO filler VALUES (randomblob(1000000))")
        file.execute("COMMIT")


@pytest.mark.slow
def test_a_copy_is_of_one_moment_and_holds_up_no_writer(tmp_path):
    big_database(tmp_path / "live", 200)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "live"), "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        time.sleep(1)
        began = time.monotonic()
        sqlite.snapshot(tmp_path / "live", tmp_path / "copy", lambda: None)
        took = time.monotonic() - began
        written, slowest = writer.communicate()[0].split()
    assert 0.5 < took < 5
    assert int(written) > 100
    assert float(slowest) < 0.5
    sqlite.check(tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        a, b = copy.execute("SELECT a, b FROM pair").fetchone()
        assert a == b
        assert 0 < a < int(written)


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_no_file_that_looks_whole(tmp_path, sqlite_template):
    instance, folder = tmp_path / "instance", tmp_path / "copies"
    instance.mkdir()
    folder.mkdir()
    databases.copy_sqlite(sqlite_template, instance)
    with closing(sqlite3.connect(instance / "constellation.sqlite3", isolation_level=None)) as file:
        file.execute("CREATE TABLE filler (x BLOB)")
        for _ in range(200):
            file.execute("INSERT INTO filler VALUES (randomblob(1000000))")
    env = environ(INSTANCE_PATH=str(instance), LOG_DIR=str(tmp_path / "logs"))
    command = [sys.executable, "-m", "flask", "backup", str(folder)]
    for moment in ("database.sqlite", "archive"):
        process = subprocess.Popen(command, env=env)
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size > 20_000_000 for path in folder.glob(f".*/{moment}")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert [path.name[:1] for path in folder.iterdir()] == ["."]
    flask("backup", str(folder), env=env)
    (left,) = folder.iterdir()
    assert archive.unpack(left, tmp_path).database == "sqlite"
