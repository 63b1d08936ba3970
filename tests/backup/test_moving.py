"""From SQLite to PostgreSQL: everything arrives as it was, or nothing does."""

from __future__ import annotations

import fcntl
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import CheckConstraint, Engine, Table, create_engine, make_url, select, text, types

from app import create_app
from app.at_rest import EncryptedText
from app.backup import moving
from app.backup.errors import BackupFailed
from app.blueprints.accounts.models import User
from app.blueprints.ocpp.models import Charger, Simulator, Transaction
from app.config import ROOT
from app.db import UnitOfWork, UTCDateTime, db, unit_of_work
from app.jobs import presence
from tests import databases
from tests.factories import ChargerFactory, MeterReadingFactory, TransactionFactory, UserFactory
from tests.servers import environ
from tests.test_migrations import constraints, differences

pytestmark = pytest.mark.postgres

MOMENT = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
# Where a constraint or a unique column wants something else.
SPECIAL: dict[tuple[str, str], Any] = {
    ("address", "state"): "CO",
    ("charger", "validation"): "strict",
    ("charger", "registration_status"): "Accepted",
    ("queued_email", "state"): "sent",
    ("queued_email", "next_try_at"): None,
    ("simulator", "state"): "stopped",
    ("simulator", "wanted"): "stopped",
    ("alert", "kind"): "fault",
    ("tag_import", "state"): "checked",
    ("vehicle", "vin"): "V" * 17,
    ("subscription", "next_renewal"): date(2026, 2, 28),
    # Part of its key.
    ("charger_day", "day"): date(2026, 1, 31),
    # The database is free: nobody lives.
    ("work_process", "alive_until"): MOMENT - timedelta(days=900),
}
# The migrations have filled these.
SEEDED = {"cable_size", "conduit_fill"}


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL database of this file's own."""
    with databases.postgres_database(tmp_path_factory.mktemp("moving"), migrated=False) as url:
        yield url


@pytest.fixture
def empty_database(own_database: str) -> str:
    """The same, without any table."""
    with psycopg.connect(own_database) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return own_database


@pytest.fixture
def target(empty_database: str) -> Iterator[Engine]:
    engine = create_engine(make_url(empty_database).set(drivername="postgresql+psycopg"))
    yield engine
    engine.dispose()


def move(app: Flask, url: str, **options: Any) -> moving.Moved:
    options.setdefault("tell", lambda *_: None)
    with app.app_context():
        return moving.copy(db.engine, app.config, url, **options)


def tables(target: Engine) -> list[str]:
    with target.connect() as connection:
        asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return [row[0] for row in connection.execute(text(asked))]


def rows(engine: Engine, table: Table) -> list[dict[str, Any]]:
    """Every row as the application reads it."""
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key))
        return [dict(row._mapping) for row in found]


def valued(table: Table, column: Any) -> Any:
    """Something that fits in a column."""
    if (table.name, column.name) in SPECIAL:
        return SPECIAL[table.name, column.name]
    if column.foreign_keys or column.primary_key:
        return 1
    kind = column.type
    if isinstance(kind, UTCDateTime):
        return MOMENT
    if isinstance(kind, EncryptedText):
        return "a secret"
    if isinstance(kind, types.JSON):
        return {"ñ": [1, None, 2.5, "two\nlines\t\\"]}
    if isinstance(kind, types.LargeBinary):
        return bytes(range(256))
    for likely, value in (
        (types.Boolean, True), (types.Date, date(2026, 1, 31)), (types.Float, 2.5), (types.Numeric, 12.25),
        (types.Integer, 7), (types.String, "ñ"),
    ):  # fmt: skip
        if isinstance(kind, likely):
            return value
    raise AssertionError(f"{table.name}.{column.name}: {kind}")


def fill(work: UnitOfWork) -> None:
    """A row in every table."""
    for table in db.metadata.sorted_tables:
        if table.name not in SEEDED:
            work.execute(table.insert().values({one.name: valued(table, one) for one in table.columns}))
    work.commit()


def test_a_row_of_every_table_arrives_as_it_was(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine
) -> None:
    fill(work)
    told: dict[str, tuple[int, int]] = {}

    done = move(app, empty_database, tell=lambda table, count, total: told.update({table: (count, total)}))

    assert set(done.rows) == {table.name for table in db.metadata.sorted_tables}
    assert told == {name: (count, count) for name, count in done.rows.items()}
    for table in db.metadata.sorted_tables:
        here = rows(db.engine, table)
        assert here, table.name
        assert rows(target, table) == here, table.name


def test_the_tables_are_those_that_migrations_make(app: Flask, empty_database: str, target: Engine) -> None:
    move(app, empty_database)

    with target.connect() as connection:
        copied = constraints(connection)
        assert differences(connection) == []
    assert set(copied) == {table.name for table in db.metadata.sorted_tables}
    assert any(isinstance(found, CheckConstraint) for found in Transaction.__table__.constraints)
    assert "ck_charge_transaction_energy_not_negative" in copied["charge_transaction"]


def test_what_is_missing_stays_missing(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine
) -> None:
    ChargerFactory(last_meter_values=None)
    MeterReadingFactory(value=None)
    work.commit()

    move(app, empty_database)

    with target.connect() as connection:
        asked = text("SELECT count(*) FROM charger WHERE last_meter_values IS NULL")
        assert connection.execute(asked).scalar() == work.scalar(asked)
        assert rows(target, MeterReadingFactory._meta.model.__table__)[0]["value"] is None


def test_the_installation_goes_on_there(app: Flask, work: UnitOfWork, empty_database: str) -> None:
    last = TransactionFactory(energy_wh=1500)
    work.add(Simulator(name="S", cp_path="S", password="pässword"))
    work.commit()
    gone = TransactionFactory().id
    work.commit()
    work.execute(text("DELETE FROM charge_transaction WHERE id = :id"), {"id": gone})
    work.commit()
    kept, folder = last.id, app.config["INSTANCE_PATH"]
    done = move(app, empty_database)
    assert done.totals["energy charged, Wh"] == 1500

    there = create_app(databases.settings(Path(folder), empty_database))
    with there.app_context(), unit_of_work() as writing:
        assert writing.get(Transaction, kept).energy_wh == 1500
        assert writing.scalars(select(Simulator)).one().password == "pässword"
        new = TransactionFactory()
        UserFactory()
        writing.flush()
        assert new.id > gone  # a number that a charger was told once is never given again
        writing.rollback()
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("how", [KeyboardInterrupt, RuntimeError])
def test_stopped_in_the_middle_nothing_is_there(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine, how: type[BaseException]
) -> None:
    fill(work)

    def stop(table: str, _done: int, _total: int) -> None:
        if table == "charge_transaction":
            raise how

    with pytest.raises(how):
        move(app, empty_database, tell=stop)
    assert tables(target) == []
    assert move(app, empty_database).rows["user"] == 1


def test_a_value_that_does_not_fit_is_named_and_nothing_is_there(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine
) -> None:
    UserFactory(username="x" * 5000)  # SQLite takes any length
    work.commit()

    with pytest.raises(BackupFailed, match="value too long"):
        move(app, empty_database)
    assert tables(target) == []


def test_a_difference_is_found_and_nothing_is_there(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    TransactionFactory(energy_wh=777_777)
    work.commit()
    monkeypatch.setattr(moving, "_plain", lambda value: 6 if value == 777_777 else value)

    with pytest.raises(BackupFailed, match="energy charged"):
        move(app, empty_database)
    assert tables(target) == []


def test_what_is_there_is_not_touched_or_kept_aside(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine
) -> None:
    UserFactory(username="ann")
    work.commit()
    with target.begin() as connection:
        connection.execute(text("CREATE TABLE precious AS SELECT 42 AS answer"))

    with pytest.raises(BackupFailed, match=r"not empty.*precious"):
        move(app, empty_database)
    assert tables(target) == ["precious"]

    done = move(app, empty_database, replace=True)
    with target.connect() as connection:
        assert connection.execute(text(f'SELECT answer FROM "{done.aside}".precious')).scalar() == 42
        assert connection.execute(select(User.username)).scalars().all() == ["ann"]


def test_nobody_may_write_meanwhile(app: Flask, work: UnitOfWork, empty_database: str) -> None:
    lock = Path(app.config["INSTANCE_PATH"]) / "run.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BackupFailed, match="the server is running"):
            move(app, empty_database)
    lock.unlink()
    with unit_of_work() as writing:
        presence.tell(writing, presence.Me(presence.WORKER))
    with pytest.raises(BackupFailed, match="a worker process"):
        move(app, empty_database)


@pytest.mark.parametrize("url", ["nonsense", "sqlite:///x", "mysql://a@b/c"])
def test_only_postgresql(app: Flask, url: str) -> None:
    with pytest.raises(BackupFailed, match="postgresql://user"):
        move(app, url)


def test_a_database_that_is_not_there(app: Flask, empty_database: str) -> None:
    nowhere = make_url(empty_database).set(database=f"nowhere_{secrets.token_hex(4)}")
    with pytest.raises(BackupFailed, match="does not exist"):
        move(app, nowhere.render_as_string(hide_password=False))


def test_an_older_database_is_migrated_first(app: Flask, work: UnitOfWork, empty_database: str) -> None:
    work.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    work.commit()
    with pytest.raises(BackupFailed, match="flask db upgrade"):
        move(app, empty_database)


@databases.only_postgres
def test_from_postgresql_it_is_not_for(app: Flask, empty_database: str) -> None:
    with pytest.raises(BackupFailed, match="pg_dump"):
        move(app, empty_database)


def test_the_command_says_what_was_compared(app: Flask, work: UnitOfWork, empty_database: str) -> None:
    TransactionFactory(energy_wh=1500, charger=ChargerFactory(charger_id="CP1"))
    work.commit()
    db.session.remove()

    refused = app.test_cli_runner().invoke(args=["copy_to", "nonsense"])
    assert (refused.exit_code, "postgresql://user" in refused.output) == (1, True)
    done = app.test_cli_runner().invoke(args=["copy_to", empty_database])

    assert done.exit_code == 0, done.output
    assert "energy charged, Wh: 1500" in done.output
    assert "charge_transaction: 1 of 1 rows" in done.output
    assert "DATABASE_URL" in done.output
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT charger_id FROM charger").fetchall() == [("CP1",)]
    assert db.session.scalars(select(Charger.charger_id)).all() == ["CP1"]


@pytest.mark.slow
def test_killed_in_the_middle_nothing_is_there(
    app: Flask, work: UnitOfWork, empty_database: str, target: Engine
) -> None:
    one = MeterReadingFactory()
    work.flush()
    columns = "charger_id, connector_id, at, measurand, unit, context, phase, location, format"
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    copies = f"{many} SELECT {columns} FROM meter_reading, n WHERE id = {one.id}"
    work.execute(text(f"INSERT INTO meter_reading ({columns}) {copies}"))
    work.commit()
    env = environ(DATABASE_URL=str(db.engine.url), INSTANCE_PATH=app.config["INSTANCE_PATH"])
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "copy_to", empty_database]

    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as copying:
        assert copying.stderr is not None
        for line in copying.stderr:
            if line.startswith("charge_transaction:"):
                copying.kill()
    assert copying.returncode == -signal.SIGKILL
    assert tables(target) == []

    assert move(app, empty_database).rows["meter_reading"] == 100_001
