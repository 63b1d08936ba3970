"""CHANGELOG.md: read for people, and given a version and a day when one is released."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.blueprints.release.errors import ReleaseRefused

FILE = "CHANGELOG.md"
UNRELEASED = "Unreleased"
HEADING = re.compile(r"## (?P<title>\S+)(?: - (?P<day>\d{4}-\d\d-\d\d))?\s*")


@dataclass(frozen=True)
class Section:
    """What changed with one version; an empty one has not been released."""

    version: str
    day: str
    entries: tuple[str, ...]


def sections(text: str) -> list[Section]:
    """Every version with its entries, as the file has them: newest first."""
    return list(_sections(text))


def released(text: str, version: str, day: str) -> str:
    """The file once ``version`` has come out. Raises ``ReleaseRefused`` when nothing is new."""
    found = sections(text)
    if any(section.version == version for section in found):
        raise ReleaseRefused(f"{FILE} tells of {version} already: choose another version (--to).")
    if not any(section.entries for section in found if not section.version):
        raise ReleaseRefused(
            f"{FILE} has nothing under '## {UNRELEASED}': write down there what has changed."
        )
    heading = f"## {UNRELEASED}"
    return re.sub(
        rf"^{heading}[ \t]*$", f"{heading}\n\n## {version} - {day}", text, count=1, flags=re.MULTILINE
    )


def _sections(text: str) -> Iterator[Section]:
    title, day, lines = None, "", list[str]()
    for line in [*text.splitlines(), "## end"]:
        heading = HEADING.fullmatch(line)
        if heading is None:
            lines.append(line)
            continue
        if title is not None:
            yield Section("" if title == UNRELEASED else title, day, tuple(_entries(lines)))
        title, day, lines = heading["title"], heading["day"] or "", []


def _entries(lines: list[str]) -> Iterator[str]:
    """Each item of the list in one line, however it was broken."""
    entry = ""
    for line in [*lines, ""]:
        if line.startswith(("- ", "* ")) or not line.strip():
            if entry:
                yield entry
            entry = line[2:].strip()
        elif entry:
            entry += f" {line.strip()}"
