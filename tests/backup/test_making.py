"""Backups: whole or not at all, made while chargers write, and rotated."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app import disk, stopping
from app.backup import archive, making, sqlite
from app.backup.errors import BackupFailed
from app.blueprints.accounts.models import User
from app.blueprints.website import tasks
from app.db import db
from tests import databases
from tests.backup.commands import back_up, members
from tests.databases import both_databases
from tests.factories import TransactionFactory, UserFactory
from tests.servers import environ, flask


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


def test_backups_of_a_clock_that_ran_ahead_do_not_push_out_the_one_just_made(app, work, folder):
    app.config.update(BACKUP_DIR=str(folder), BACKUP_KEEP=3)
    ahead = [f"nightly-909901{day:02}T031500Z.tar.gz" for day in range(1, 4)]
    for name in ahead:
        (folder / name).write_text("x")
    db.session.rollback()
    made = tasks.back_up().partition(":")[0]
    assert sorted(file.name for file in folder.iterdir()) == [made, *ahead[1:]]


def test_a_backup_that_fails_costs_no_older_one(app, work, folder, monkeypatch):
    app.config["BACKUP_DIR"] = str(folder)
    for day in range(1, 6):
        (folder / f"nightly-202601{day:02}T031500Z.tar.gz").write_text("x")
    monkeypatch.setattr(disk, "room", lambda folder: disk.Room(str(folder), 0, 1))
    with pytest.raises(BackupFailed):
        tasks.back_up()
    assert len(list(folder.iterdir())) == 5


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
