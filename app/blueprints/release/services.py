"""What staff can see of releases: what runs here, what has changed, what the next one would contain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app import version
from app.blueprints.release import changelog, contents
from app.blueprints.release.changelog import Section
from app.blueprints.release.contents import Part
from app.blueprints.release.errors import ReleaseRefused
from app.blueprints.release.tree import Tree
from app.config import IS_INSTALLED, ROOT, SHIPPED


@dataclass(frozen=True)
class Overview:
    """The page's content."""

    version: str
    commit: str
    is_installed: bool
    # Files that differ from the commit; None where git cannot tell.
    changes: tuple[str, ...] | None
    last_tag: str
    sections: tuple[Section, ...]
    parts: dict[str, list[Part]]


def overview(root: Path = ROOT) -> Overview:
    """Read it all, from files and git."""
    tree = Tree(root)
    try:
        tree.check()
        changes, last_tag = tuple(tree.changes()), tree.last_tag()
    except ReleaseRefused:
        changes, last_tag = None, ""
    file = (SHIPPED if IS_INSTALLED else root) / changelog.FILE
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return Overview(
        version=version.__version__,
        commit=version.commit(),
        is_installed=IS_INSTALLED,
        changes=changes,
        last_tag=last_tag,
        sections=tuple(changelog.sections(text)),
        parts=contents.grouped(contents.planned(root)),
    )
