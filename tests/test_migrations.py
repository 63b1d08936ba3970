"""Migrations lead up, down and up again, and end where the models are, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, Engine, inspect, select, text

from app import create_app
from app.blueprints.accounts.models import Credit
from app.blueprints.ocpp.models import Simulator
from app.db import db
from tests import databases
from tests.factories import RFIDFactory, TransactionFactory, UserFactory


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(request, tmp_path) -> Iterator[Engine]:
    """A migrated database of each kind, that no other test uses."""
    if request.param == "postgresql":
        with databases.postgres_database(tmp_path) as url:
            yield from connected(tmp_path, url)
    else:
        template = request.getfixturevalue("sqlite_template")
        yield from connected(tmp_path, databases.copy_sqlite(template, tmp_path))


def connected(folder: Path, url: str) -> Iterator[Engine]:
    with create_app(databases.settings(folder, url)).app_context():
        yield db.engine
        db.session.remove()
        db.engine.dispose()


def differences(connection: Connection) -> list:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
    return compare_metadata(context, db.metadata)


def constraints(connection: Connection) -> dict[str, set[str]]:
    """Table → the names of what Alembic does not compare."""
    found = inspect(connection)
    return {
        table: {
            *(check["name"] for check in found.get_check_constraints(table)),
            *(key["name"] for key in found.get_foreign_keys(table)),
            *(key["name"] for key in found.get_unique_constraints(table)),
        }
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def test_migrations_lead_to_the_models_and_back(engine):
    with engine.connect() as connection:
        assert differences(connection) == []

    downgrade(revision="base")
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]

    upgrade()
    with engine.connect() as connection:
        assert differences(connection) == []


def test_migrated_tables_have_the_constraints_of_the_models(engine):
    with engine.connect() as connection:
        migrated = constraints(connection)

    downgrade(revision="base")
    db.create_all()

    with engine.connect() as connection:
        assert constraints(connection) == migrated


def test_rows_survive_every_migration_down_to_the_first_and_up_again(engine):
    """Tables that others refer to are rebuilt on SQLite: nothing of what refers to them may be lost."""
    user = UserFactory()
    db.session.add(Credit(account_id=user.account.id, amount_kwh=5, created_by_id=user.id))
    TransactionFactory(account=user.account, energy_wh=1500)
    RFIDFactory(user=user)
    db.session.commit()
    before = rows(engine)
    db.session.remove()

    downgrade(revision="0001")
    upgrade()

    assert rows(engine) == before
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_a_simulators_password_is_encrypted_on_the_way_up_and_readable_on_the_way_down(engine):
    downgrade(revision="0006")
    plain = "INSERT INTO simulator VALUES (1, 'S', 'S', '127.0.0.1', 8000, 'FFFFFFFF', false, '', 'pässword')"
    stored = text("SELECT password FROM simulator")
    with engine.begin() as connection:
        connection.execute(text(plain))

    upgrade()
    with engine.connect() as connection:
        assert "ssword" not in connection.execute(stored).scalar_one()
    assert db.session.scalars(select(Simulator)).one().password == "pässword"
    db.session.remove()

    downgrade(revision="0006")
    with engine.connect() as connection:
        assert connection.execute(stored).scalar_one() == "pässword"


def rows(engine: Engine) -> dict[str, list]:
    """Everything in the tables that the first migration made."""
    tables = ("user", "account", "credit", "rfid", "charger", "charge_transaction")
    with engine.connect() as connection:
        return {
            name: connection.execute(select(db.metadata.tables[name]).order_by(text("id"))).all()
            for name in tables
        }
