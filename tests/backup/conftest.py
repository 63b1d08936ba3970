"""Where backups go, and databases that a restore may turn inside out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import databases


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
