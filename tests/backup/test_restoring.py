"""The way back: what does not fit is refused, and what was there is kept."""

from __future__ import annotations

import fcntl
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from app.backup import making, postgres, restoring
from app.backup.errors import BackupFailed
from app.db import db, unit_of_work
from app.jobs import presence
from tests.backup.commands import back_up, may_restore, members, restore, users
from tests.factories import TransactionFactory, UserFactory


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
