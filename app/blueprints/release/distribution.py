"""Makes the two files that are published: a source distribution and a wheel."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from app.blueprints.release.errors import ReleaseRefused
from app.blueprints.release.package import Package
from app.blueprints.release.tree import Tree

TOOLS = ("build", "twine", "setuptools")
BUILD_S = 600.0


def check_tools() -> None:
    """Refuse when what builds and uploads is not installed."""
    if missing := [name for name in TOOLS if find_spec(name) is None]:
        raise ReleaseRefused(
            f"Not installed here: {', '.join(missing)}. They come with scripts/test, or with pip install"
            " 'arthexis-constellation[release]'."
        )


def make(tree: Tree, package: Package, version: str, target: Path, *, changed: bool) -> list[Path]:
    """Build into ``target`` from a copy that holds only what git knows. Return the files.

    ``changed``: there is more in the tree than was committed, and the package says so.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        copy, made = Path(scratch) / "source", Path(scratch) / "made"
        _stage(tree, package, copy, changed=changed)
        _build(tree, copy, made)
        _check_description(made)
        for old in existing(target, package, version):
            old.unlink()
        target.mkdir(exist_ok=True)
        for file in made.iterdir():
            shutil.move(file, target / file.name)
    return existing(target, package, version)


def existing(folder: Path, package: Package, version: str) -> list[Path]:
    """The files of this version that have been built: the wheel comes first."""
    stem = re.sub(r"[-_.]+", "_", package.name).lower()
    names = (f"{stem}-{version}-py3-none-any.whl", f"{stem}-{version}.tar.gz")
    return [folder / name for name in names if (folder / name).is_file()]


def _stage(tree: Tree, package: Package, copy: Path, *, changed: bool) -> None:
    for name in tree.files():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree.root / name, target)
    commit = tree.commit() + ("+changes" if changed else "")
    (copy / "COMMIT").write_text(f"{commit}\n", encoding="utf-8")
    file = copy / "setup.cfg"
    settings = configparser.RawConfigParser()
    settings.read(file, encoding="utf-8")
    settings["metadata"].update(package.metadata())
    settings["options"]["python_requires"] = package.python_requires
    with file.open("w", encoding="utf-8") as out:
        settings.write(out)


def _build(tree: Tree, copy: Path, made: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(made), str(copy)]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=copy, env={**os.environ, "SOURCE_DATE_EPOCH": tree.committed_at()},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=BUILD_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ReleaseRefused(f"Building took longer than {BUILD_S:.0f} s.") from error
    if done.returncode != 0:
        raise ReleaseRefused("\n".join(["The package could not be built:", *done.stdout.splitlines()[-20:]]))


def _check_description(made: Path) -> None:
    from twine.commands.check import check

    if check([str(file) for file in sorted(made.iterdir())], strict=True):
        raise ReleaseRefused("The package's description cannot be shown on an index: see above.")
