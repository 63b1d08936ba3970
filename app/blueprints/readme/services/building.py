"""README.md from its parts: README.base.md, the settings, the OCPP test matrix, and each domain's README."""

from __future__ import annotations

import ast
import inspect
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.blueprints import DOMAINS
from app.config import ROOT, Config

NOTICE = (
    "<!-- Built by `flask build_readme` from README.base.md and app/blueprints/*/README.md: edit those. -->"
)
FENCE = re.compile(r"\s{0,3}(```|~~~)")
LINK = re.compile(r"(\]\()([^)\s]+)")
SETTING = re.compile(r"    (?P<name>[A-Z][A-Z0-9_]*): \w+ = ")
TEST = re.compile(r"test_(?P<point>[a-h]\d+)_(?P<rule>\w+)")
CASE = re.compile(r"TC_[A-Z0-9_]*\d\w*")


def build(root: Path = ROOT) -> str:
    """The combined README, as it should be."""
    base = (root / "README.base.md").read_text(encoding="utf-8")
    base = base.replace("<!-- settings -->", settings_table())
    base = base.replace("<!-- ocpp-matrix -->", ocpp_matrix(root / "tests" / "ocpp"))
    parts = [NOTICE, base.strip(), *domain_parts(root)]
    return "\n\n".join(parts) + "\n"


def domain_parts(root: Path) -> Iterator[str]:
    """Each domain's README, one heading deeper and with links that hold at the root."""
    for domain in DOMAINS:
        file = root / "app" / "blueprints" / domain / "README.md"
        if file.exists():
            yield _moved(file.read_text(encoding="utf-8").strip(), f"app/blueprints/{domain}")


def settings_table() -> str:
    """Every setting with its default and its reason: the comment above its name in ``app/config.py``."""
    rows = [
        f"| `{name}` | {_shown(getattr(Config, name))} | {reason} |" for name, reason in reasons().items()
    ]
    return "\n".join(["| Setting | Default | What for |", "| --- | --- | --- |", *rows])


def reasons() -> dict[str, str]:
    """Setting → the comment above it."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(Config).splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
        elif setting := SETTING.match(line):
            found[setting["name"]] = " ".join(comment).replace("|", "\\|").replace("<", "&lt;")
            comment = []
    return found


def ocpp_matrix(folder: Path) -> str:
    """Every point of the OCPP specification, the tests named after it, and the OCTT cases that they carry."""
    tests: dict[str, list[str]] = defaultdict(list)
    cases: dict[str, set[str]] = defaultdict(set)
    for file in sorted(folder.rglob("test_*.py")) if folder.is_dir() else []:
        for point, rule, body in _tests(file.read_text(encoding="utf-8")):
            tests[point].append(rule.replace("_", " "))
            cases[point].update(CASE.findall(body))
    rows = [
        f"| {point.upper()} | {'; '.join(tests[point])} | {', '.join(sorted(cases[point]))} |"
        for point in sorted(tests, key=lambda point: (point[0], int(point[1:])))
    ]
    return "\n".join(["| Point | Tests | OCTT |", "| --- | --- | --- |", *rows])


def _tests(text: str) -> Iterator[tuple[str, str, str]]:
    """Point, rule and source, decorators included, of each test that is named after a point."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := TEST.match(node.name)):
            start = min(line.lineno for line in (node, *node.decorator_list))
            yield name["point"], name["rule"], "\n".join(lines[start - 1 : node.end_lineno])


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return f"`{int(default)}`"
    text = str(default).replace(f"{ROOT}/", "")
    return f"`{text}`" if text else ""


def _moved(text: str, folder: str) -> str:
    """A document as a section of the combined one, which lies at the root."""

    def link(match: re.Match[str]) -> str:
        target = match[2]
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|[#/]", target):
            return match[0]
        return match[1] + posixpath.normpath(posixpath.join(folder, target))

    return "\n".join(
        line if in_code else LINK.sub(link, f"#{line}" if re.match("#+ ", line) else line)
        for line, in_code in _lines(text)
    )


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code."""
    fence = ""
    for line in text.splitlines():
        found = FENCE.match(line)
        if found and not fence:
            fence = found[1]
            yield line, True
        else:
            yield line, bool(fence)
            if found and found[1] == fence:
                fence = ""
