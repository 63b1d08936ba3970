"""Copies of the project for tests of its scripts: installable offline, with their own git history."""

from __future__ import annotations

import base64
import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

from app.config import ROOT

CODE = ("app", "worker", "migrations", "wsgi.py", ".flaskenv", ".gitignore")
WHO = {
    f"GIT_{role}_{part}": "test@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
}


def small(tree: Path) -> Path:
    """The scripts, and a lock of one little package."""
    ignored = shutil.ignore_patterns("benchmark", "__pycache__")
    shutil.copytree(ROOT / "scripts", tree / "scripts", ignore=ignored)
    lock_package(tree, "1.0")
    return tree


def whole(tree: Path) -> Path:
    """The same with the application, as a git repository of one commit."""
    small(tree)
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, tree / name)
    (tree / "page.txt").write_text("one\n")
    git(tree, "init", "--quiet", "--initial-branch=main")
    commit(tree, "first")
    compileall.compile_dir(tree, quiet=2)
    return tree


def clone(tree: Path, origin: Path, target: Path) -> Path:
    """A clone of ``origin``, made of ``tree``, which has the same commit, and compiled files beside."""
    shutil.copytree(tree, target, symlinks=True)
    git(target, "remote", "add", "origin", str(origin))
    git(target, "fetch", "--quiet")
    git(target, "branch", "--quiet", "--set-upstream-to=origin/main")
    return target


def add_venv(tree: Path) -> None:
    """A .venv that has the packages of the tests' own, and counts as installed with ``requirements.txt``."""
    folder = tree / ".venv"
    venv.create(folder, with_pip=False)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    (site_packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    done = script(
        tree,
        "-c",
        '. scripts/environment.sh; stamp_for requirements.txt >"$VENV/.installed-requirements.txt"',
    )
    assert done.returncode == 0, done.stdout


def lock_package(tree: Path, version: str) -> None:
    """Let ``requirements.txt`` name this version of the little package, whose wheel lies in ``wheels/``."""
    wheels = tree / "wheels"
    wheels.mkdir(exist_ok=True)
    info = f"little-{version}.dist-info"
    files = {
        "little.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: little\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
    wheel = wheels / f"little-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tree / "requirements.txt").write_text(f"little=={version} \\\n    --hash=sha256:{sha256}\n")


def script(tree: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run bash with these arguments in the tree: a script of its own, or ``-c`` and a text."""
    offline = {"PIP_FIND_LINKS": (tree / "wheels").as_uri(), "PIP_NO_INDEX": "1", "PYTHON": sys.executable}
    return subprocess.run(
        ["/bin/bash", *command],
        env={**os.environ, **WHO, **offline, **environ},
        cwd=tree,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def git(folder: Path, *command: str) -> str:
    """Run git; return what it printed."""
    return subprocess.check_output(
        ["git", *command], cwd=folder, env={**os.environ, **WHO}, text=True, stderr=subprocess.STDOUT
    ).strip()


def commit(folder: Path, message: str) -> str:
    """Commit everything; return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
