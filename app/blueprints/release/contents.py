"""What a release would contain, without building one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.blueprints.release.errors import ReleaseRefused
from app.blueprints.release.tree import Tree

FOLDERS = ("app", "worker", "migrations")
DOCUMENTS = ("README.md", "CHANGELOG.md")
# Path in the package → kind; the first that fits.
KINDS = (
    ("app/migrations/", "migrations"),
    ("app/templates/", "templates"),
    ("app/static/", "static"),
    ("app/translations/", "translations"),
)


@dataclass(frozen=True)
class Part:
    """One file of the package: where it lies in there, and its size."""

    path: str
    size: int

    @property
    def kind(self) -> str:
        """What sort of file it is: migrations, templates, static, translations, code, documents or data."""
        for start, kind in KINDS:
            if self.path.startswith(start):
                return kind
        endings = {".py": "code", ".md": "documents"}
        return endings.get(Path(self.path).suffix, "data")


def planned(root: Path) -> list[Part]:
    """The files that a wheel of this checkout would have, without those that say what is in the wheel."""
    return sorted(_planned(root), key=lambda part: part.path)


def grouped(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Kind → its files."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.kind, []).append(part)
    return dict(sorted(found.items()))


def _planned(root: Path) -> Iterator[Part]:
    for name in _files(root):
        path = f"app/{name}" if name.startswith("migrations/") else name
        size = (root / name).stat().st_size
        yield Part(path, size)
        if path.endswith(".po"):  # compiled to about the size of its source
            yield Part(path.removesuffix(".po") + ".mo", size)
    for name in DOCUMENTS:
        if (root / name).is_file():
            yield Part(f"app/shipped/{name}", (root / name).stat().st_size)
    yield Part("app/shipped/COMMIT", 41)


def _files(root: Path) -> list[str]:
    """What git knows; where there is none (an installed package, a container), what is there."""
    try:
        return Tree(root).files(*FOLDERS)
    except ReleaseRefused:
        found = (file for folder in FOLDERS for file in (root / folder).rglob("*"))
        return [
            str(file.relative_to(root)) for file in found
            if file.is_file() and file.suffix not in (".pyc", ".mo") and "shipped" not in file.parts
        ]  # fmt: skip
