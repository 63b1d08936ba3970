"""A small project with a history, and an index to publish it on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.blueprints.release import Credentials, Package, utils
from app.blueprints.release.utils import Release
from tests.release import index as indexes
from tests.release.index import TOKEN, Index

PACKAGE = Package(name="small-thing", description="Small.", author="Somebody", license="MIT")
FILES = {
    "app/__init__.py": "",
    "app/version.py": '"""The version."""\n\n__version__ = "1.2.3"\n',
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- Smaller.\n\n## 1.2.3 - 2026-01-31\n\n- Small.\n",
    "README.md": "# Small\n\nThing.\n",
    "setup.cfg": (
        "[metadata]\nname = other\nversion = attr: app.version.__version__\n"
        "long_description = file: README.md\nlong_description_content_type = text/markdown\n"
        "\n[options]\npackages = app\n"
    ),
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
    ".gitignore": "/dist/\n",
}


def git(folder: Path, *command: str) -> str:
    return subprocess.check_output(["git", *command], cwd=folder, text=True, stderr=subprocess.STDOUT).strip()


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout that tests copy, and beside it ``remote.git``, where it came from."""
    folder = tmp_path_factory.mktemp("small") / "project"
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.com")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder.parent, "clone", "--quiet", "--bare", str(folder), "remote.git")
    git(folder, "remote", "add", "origin", "../remote.git")
    git(folder, "fetch", "--quiet")
    git(folder, "branch", "--quiet", "--set-upstream-to=origin/main")
    return folder


@pytest.fixture
def project(small_project: Path, tmp_path: Path) -> Path:
    """A checkout of the test's own."""
    shutil.copytree(small_project.parent, tmp_path / "work")
    return tmp_path / "work" / "project"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index that runs and is empty."""
    with indexes.serving(tmp_path / "index") as running:
        yield running


@pytest.fixture
def said() -> list[str]:
    """What a release tells on its way."""
    return []


@pytest.fixture
def release(project: Path, index: Index, said: list[str]) -> Callable[..., Release]:
    """Release the small project on that index."""

    def run(**options: Any) -> Release:
        wanted = {"package": PACKAGE, "credentials": Credentials(token=TOKEN), "repository_url": index.url}
        return utils.build(**{**wanted, "root": project, "say": said.append, **options})

    return run


@pytest.fixture(scope="session")
def built_once(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``dist`` folder of version 1.2.3: a build takes seconds."""
    folder = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(small_project, folder)
    utils.build(PACKAGE, dist=True, root=folder)
    return folder / "dist"


@pytest.fixture
def built(built_once: Path, project: Path) -> list[Path]:
    """The small project's files, ready to be uploaded."""
    shutil.copytree(built_once, project / "dist")
    return sorted((project / "dist").iterdir())
