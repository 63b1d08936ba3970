"""``scripts/upgrade.sh`` on a clone of a real repository: a failure leaves the old version."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from app.config import ROOT
from tests import databases, servers, trees
from tests.install.conftest import me, tool

# Many processes, one after the other.
pytestmark = pytest.mark.timeout(300)
HEAD = str(ScriptDirectory(str(ROOT / "migrations")).get_current_head())
NEXT = "migrations/versions/9999.py"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{head}"


def upgrade():
    op.create_table("brought", sa.Column("id", sa.Integer, primary_key=True))
    {more}


def downgrade():
    op.drop_table("brought")
"""


@pytest.fixture(scope="session")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a repository of one commit; each test clones it."""
    return trees.whole(tmp_path_factory.mktemp("first") / "origin")


@pytest.fixture
def origin(first_version: Path, tmp_path: Path) -> Path:
    """Where new versions are published."""
    trees.git(tmp_path, "clone", "--quiet", str(first_version), str(tmp_path / "origin"))
    return tmp_path / "origin"


@pytest.fixture
def clone(
    request: pytest.FixtureRequest, first_version: Path, origin: Path, tmp_path: Path
) -> Iterator[Path]:
    """An installation, in a folder with a space, with a database and a local change."""
    clone = trees.clone(first_version, origin, tmp_path / "a clone")
    trees.add_venv(clone)
    (clone / "scripts/lock").write_text("changed here\n")
    (clone / "instance").mkdir()
    if getattr(request, "param", "sqlite") == "sqlite":
        (clone / "instance" / servers.DATABASE).write_bytes(servers.migrated_sqlite().read_bytes())
        yield clone
        return
    tool("pg_dump")
    with databases.postgres_database(tmp_path) as url:
        postgres_of(clone).write_text(url)
        yield clone


# Decorate a test with it to upgrade an installation on each database.
each_database = pytest.mark.parametrize(
    "clone", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


def postgres_of(clone: Path) -> Path:
    """A file beside an installation that says where its database is; without it, it is on SQLite."""
    return clone.parent / "database"


def environ(clone: Path, **more: str) -> dict[str, str]:
    folders = {"INSTANCE_PATH": str(clone / "instance"), "LOG_DIR": str(clone / "logs")}
    place = {"DATABASE_URL": postgres_of(clone).read_text()} if postgres_of(clone).exists() else {}
    return servers.environ(**folders, PORT=str(servers.free_port())) | place | more


def upgrade(clone: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    wheels = {"PIP_FIND_LINKS": (clone.parent / "origin" / "wheels").as_uri()}
    return trees.script(clone, "scripts/upgrade.sh", *arguments, **environ(clone) | wheels | more)


def publish(origin: Path, files: Mapping[str, str] = {}) -> str:
    """A new version with these files; return its commit."""
    for name, content in {"page.txt": "two\n", **files}.items():
        (origin / name).write_text(content)
    return trees.commit(origin, "second")


def migration(more: str = "pass") -> str:
    return MIGRATION.format(head=HEAD, more=more)


def database(clone: Path) -> tuple[str, bool]:
    """Its revision, and whether it has the table that the new version brings."""
    url = f"sqlite:///{clone / 'instance' / servers.DATABASE}"
    if postgres_of(clone).exists():
        url = postgres_of(clone).read_text().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    with engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    has_table = inspect(engine).has_table("brought")
    engine.dispose()
    return revision, has_table


def backups(clone: Path) -> list[Path]:
    return sorted((clone / "instance/backups").glob("before-upgrade-*"))


def version(clone: Path) -> str:
    """The version of the little package, or that it is not there."""
    code = "import little; print(little.version)"
    done = subprocess.run(
        [clone / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "none"


def assert_as_before(clone: Path, head: str) -> None:
    assert trees.git(clone, "rev-parse", "HEAD") == head
    assert trees.git(clone, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert trees.git(clone, "status", "--porcelain") == "M scripts/lock"
    assert trees.git(clone, "stash", "list") == ""
    assert (clone / "scripts/lock").read_text() == "changed here\n"
    assert database(clone) == (HEAD, False)
    assert not (clone / ".venv.before").exists()


@pytest.mark.slow
@each_database
def test_an_upgrade_brings_code_packages_and_migrations_and_keeps_local_changes(origin, clone):
    trees.lock_package(origin, "2.0")
    published = publish(origin, {NEXT: migration()})

    done = upgrade(clone)

    assert done.returncode == 0, done.stdout
    assert "scripts/run" in done.stdout.splitlines()[-1]
    assert trees.git(clone, "rev-parse", "HEAD") == published
    assert (clone / "scripts/lock").read_text() == "changed here\n"
    assert trees.git(clone, "stash", "list") == ""
    assert version(clone) == "2.0"
    assert database(clone) == ("9999", True)
    (backup,) = backups(clone)
    with tarfile.open(backup) as archive:
        assert HEAD in archive.extractfile("manifest.json").read().decode()  # type: ignore[union-attr]


@pytest.mark.slow
@each_database
def test_a_migration_that_fails_leaves_database_code_and_packages_as_they_were(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    trees.lock_package(origin, "2.0")
    publish(origin, {NEXT: migration("raise RuntimeError('no')")})

    failed = upgrade(clone)

    assert failed.returncode == 1
    assert "RuntimeError: no\n" in failed.stdout
    assert "The database could not be migrated" in failed.stdout
    assert "The old version is back" in failed.stdout.splitlines()[-1]
    assert_as_before(clone, before)
    assert version(clone) == "none"


@pytest.mark.slow
def test_an_installation_that_fails_leaves_the_old_packages_and_code(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin, {"requirements.txt": "little==2.0 --hash=sha256:" + "0" * 64 + "\n"})

    failed = upgrade(clone)

    assert failed.returncode == 1
    assert "could not be installed" in failed.stdout
    assert_as_before(clone, before)
    assert trees.script(clone, "scripts/install.sh").returncode == 0  # nothing to do: all is there


@pytest.mark.slow
def test_a_new_version_that_cannot_be_loaded_is_taken_back(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin, {"wsgi.py": "raise SystemExit('broken')\n"})

    failed = upgrade(clone)

    assert failed.returncode == 1
    assert "does not start" in failed.stdout
    assert_as_before(clone, before)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["kill -TERM $PPID", "rm -rf ../.venv"])
def test_an_upgrade_that_is_interrupted_or_breaks_is_taken_back(origin, clone, step):
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin, {"scripts/install.sh": f'#!/bin/bash\ncd "$(dirname "$0")" && {step}\n'})

    failed = upgrade(clone, "--no-backup")

    assert failed.returncode == 1
    assert "The old version is back" in failed.stdout.splitlines()[-1]
    assert_as_before(clone, before)
    assert (clone / ".venv/bin/python").exists()


def test_a_pull_that_fails_leaves_everything_as_it_was(origin, clone):
    (clone / "page.txt").write_text("committed here\n")
    trees.git(clone, "commit", "--quiet", "--message", "mine", "page.txt")
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin)

    failed = upgrade(clone, "--no-backup")

    assert failed.returncode == 1
    assert "git pull --rebase shows where" in failed.stdout
    assert_as_before(clone, before)
    assert not (clone / "instance/backups").exists()


def test_local_changes_that_contradict_the_new_version_stay_and_the_way_on_is_said(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin, {"scripts/lock": "changed there\n"})

    failed = upgrade(clone, "--no-backup")

    assert failed.returncode == 1
    assert "git stash pop merges them by hand" in failed.stdout
    assert_as_before(clone, before)


@pytest.mark.slow
def test_without_a_network_nothing_is_touched(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    origin.rename(origin.with_name("away"))

    failed = upgrade(clone, PIP_FIND_LINKS="")

    assert failed.returncode == 1
    assert "could not be fetched" in failed.stdout
    assert_as_before(clone, before)


@pytest.mark.slow
def test_a_backup_that_cannot_be_made_stops_the_upgrade_before_anything_changed(origin, clone):
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin)
    (clone / "instance/taken").write_text("a file")

    failed = upgrade(clone, BACKUP_DIR=str(clone / "instance/taken"))

    assert failed.returncode == 1
    assert "--no-backup" in failed.stdout or "no folder for the backup" in failed.stdout
    assert_as_before(clone, before)


@pytest.mark.parametrize("state", ["no repository", "no upstream", "a rebase"])
def test_a_folder_that_cannot_be_upgraded_is_told_what_to_do(clone, state):
    if state == "no repository":
        (clone / ".git").rename(clone / "git")
    elif state == "no upstream":
        trees.git(clone, "branch", "--unset-upstream")
    else:
        (clone / ".git/rebase-merge").mkdir()

    failed = upgrade(clone)

    assert failed.returncode == 1
    assert "git" in failed.stdout
    assert len(failed.stdout.splitlines()) == 1


@pytest.fixture
def service(clone: Path, systemd: dict[str, str]) -> Iterator[dict[str, str]]:
    """The settings under which the clone is a service that runs; it is stopped in the end."""
    settings = systemd | {"SITE": str(clone), "PORT": str(servers.free_port())}
    command = ["scripts/install.sh", "--service", "charging", "--user", me()]
    done = trees.script(clone, *command, **environ(clone) | settings)
    assert done.returncode == 0, done.stdout
    yield settings
    file = Path(f"{systemd['SYSTEMCTL_LOG']}.pid")
    if file.exists():
        os.kill(int(file.read_text()), signal.SIGTERM)


def wait_until_served(clone: Path, settings: dict[str, str]) -> None:
    command = [clone / ".venv/bin/python", "-m", "app.upgrading", "serves", "60"]
    assert subprocess.run(command, cwd=clone, env=environ(clone) | settings, check=False).returncode == 0


@pytest.mark.slow
@each_database
def test_a_service_runs_on_with_the_old_version_until_a_new_one_serves(origin, clone, service):
    wait_until_served(clone, service)
    before = trees.git(clone, "rev-parse", "HEAD")
    publish(origin, {NEXT: migration(), "app/gunicorn_settings.py": "raise SystemExit('broken')\n"})

    failed = upgrade(clone, **service, UPGRADE_PATIENCE="4")

    assert failed.returncode == 1
    assert "does not serve" in failed.stdout
    assert_as_before(clone, before)
    assert len(backups(clone)) == 1
    wait_until_served(clone, service)

    publish(origin, {"app/gunicorn_settings.py": (ROOT / "app/gunicorn_settings.py").read_text()})
    done = upgrade(clone, **service)

    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "Upgraded, and restarted: charging"
    assert database(clone) == ("9999", True)
    assert len(backups(clone)) == 2
    wait_until_served(clone, service)
