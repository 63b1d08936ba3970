"""Migrations lead up, down and up again, and end where the models are, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import Connection, Engine, inspect

from app import create_app
from app.db import db
from tests import databases


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
