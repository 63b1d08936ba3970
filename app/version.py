"""The version of this product, and the commit behind it; setup.cfg and the release commands read it here."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__version__ = "0.1.0"

ROOT = Path(__file__).resolve().parent.parent
# Digits of a commit that people are shown.
SHORT = 9


@cache
def commit() -> str:
    """The commit that this code is of, in full; empty where nobody knows."""
    for file in (ROOT / "app" / "shipped" / "COMMIT", ROOT / "COMMIT"):
        if file.is_file():
            return file.read_text(encoding="utf-8").strip()
    try:
        return _head(ROOT / ".git")
    except OSError:
        return ""


def short_commit() -> str:
    """The same, as people are shown it: its first digits, and whether there were changes on top."""
    digits, plus, changes = commit().partition("+")
    return digits[:SHORT] + plus + changes


def text() -> str:
    """Version and commit in one line."""
    return f"{__version__} ({short_commit()})" if commit() else __version__


def _head(git: Path) -> str:
    """What is checked out, read from git's own files: no git is needed to serve."""
    if git.is_file():  # a second worktree names the place of its own
        git = (git.parent / git.read_text().removeprefix("gitdir:").strip()).resolve()
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    name = head.removeprefix("ref:").strip()
    shared = git / "commondir"
    if shared.is_file():
        git = (git / shared.read_text().strip()).resolve()
    if (git / name).is_file():
        return (git / name).read_text().strip()
    packed = (git / "packed-refs").read_text().splitlines()
    return next((line.partition(" ")[0] for line in packed if line.endswith(f" {name}")), "")
