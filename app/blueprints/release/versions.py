"""The version in ``app/version.py``: read, counted up, written."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.version import InvalidVersion, Version

from app.blueprints.release.errors import ReleaseRefused

FILE = "app/version.py"
LINE = re.compile(r'^__version__ = "(?P<version>[^"]*)"$', re.MULTILINE)


def current(root: Path) -> str:
    """The version of the code under ``root``."""
    file = root / FILE
    found = LINE.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    if found is None:
        raise ReleaseRefused(f'{file} has no line __version__ = "…".')
    return found["version"]


def following(version: str, to: str = "") -> str:
    """The next version: ``to``, or the last number counted up; a pre-release becomes what it came before."""
    now = _parsed(version)
    if to:
        if _parsed(to) <= now:
            raise ReleaseRefused(f"{to} does not come after {version}, the current version.")
        return str(_parsed(to))
    if now.is_prerelease:
        return now.base_version
    return ".".join(str(number) for number in (*now.release[:-1], now.release[-1] + 1))


def written(text: str, version: str) -> str:
    """``app/version.py`` with another version."""
    return LINE.sub(f'__version__ = "{version}"', text, count=1)


def _parsed(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion as error:
        raise ReleaseRefused(f"{version!r} is no version such as 1.2.3 or 1.3.0rc1.") from error
