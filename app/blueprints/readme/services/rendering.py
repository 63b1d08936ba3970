"""Markdown made into safe HTML, for people who come by browser."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nh3
from markdown import Markdown

from app.blueprints import DOMAINS
from app.config import IS_INSTALLED, ROOT, SHIPPED

# What a document may contain. Classes are Pygments' (a letter or two each) and the markers of our own css.
TAGS = nh3.ALLOWED_TAGS - {"area", "map"}
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "th": {"align", "style"},
    "td": {"align", "style"},
    "ol": {"start"},
    "span": {"class"},
    "div": {"class"},
    **{f"h{level}": {"id"} for level in range(1, 7)},
}
SCHEMES = {"http", "https", "mailto"}

# A path in the repository → where the site shows it, if it does.
Address = Callable[[str], str | None]


@dataclass(frozen=True)
class Heading:
    """One line of a document's table of contents."""

    name: str
    anchor: str
    level: int


@dataclass(frozen=True)
class Document:
    """A README, ready to be shown. ``body`` is safe HTML."""

    title: str
    body: str
    contents: tuple[Heading, ...] = ()


def source(domain: str) -> Path:
    """The README of a domain, or of the whole project."""
    folder = SHIPPED if IS_INSTALLED and not domain else ROOT
    return folder / _source_name(domain)


def rendered(domain: str, prefix: str = "") -> Document:
    """The README of a domain, or of the project; links stay under ``prefix``. Empty when there is none."""
    file = source(domain)
    try:
        status = file.stat()
    except FileNotFoundError:
        return Document(title="", body="")
    return _rendered(domain, prefix, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _rendered(domain: str, prefix: str, _mtime: int, _size: int) -> Document:
    text = source(domain).read_text(encoding="utf-8")
    folder = posixpath.dirname(_source_name(domain))
    return render(text, lambda path: address(path, prefix), folder)


def render(text: str, where: Address = lambda path: None, folder: str = "") -> Document:
    """Make markdown into safe HTML: tables, highlighted code, headings that can be linked to.

    ``where`` says at which address the site shows a file of the repository; a link to any other file loses
    its address. ``folder`` is where the document lies.
    """
    markdown = Markdown(
        extensions=["tables", "fenced_code", "codehilite", "sane_lists", "toc"],
        extension_configs={"codehilite": {"guess_lang": False, "css_class": "highlight"}},
    )
    body = clean(markdown.convert(text), lambda link: _resolved(link, where, folder))
    contents = tuple(_headings(markdown.toc_tokens))  # type: ignore[attr-defined]
    return Document(contents[0].name if contents else "", body, contents)


def clean(unsafe: str, resolve: Address) -> str:
    """Drop everything that could act, and lead relative links to where the site shows their target."""

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in ("href", "src"):
            return resolve(value)
        if name == "class":
            return (
                " ".join(word for word in value.split() if re.fullmatch(r"highlight|[a-z]{1,2}\d?", word))
                or None
            )
        if name == "style":
            return value if re.fullmatch(r"text-align: (left|right|center);", value) else None
        return value

    return nh3.clean(
        unsafe, tags=TAGS, attributes=ATTRIBUTES, attribute_filter=attribute, url_schemes=SCHEMES
    )


def address(path: str, prefix: str = "") -> str | None:
    """Where the site shows a file of the repository: the READMEs, and what is under ``app/static``."""
    for domain in ("", *DOMAINS):
        if path == _source_name(domain):
            return f"{prefix}/readme/of/{domain}/" if domain else f"{prefix}/readme/"
    if path.startswith("app/static/"):
        return prefix + path.removeprefix("app")
    return None


def _source_name(domain: str) -> str:
    return f"app/blueprints/{domain}/README.md" if domain else "README.md"


def _resolved(link: str, where: Address, folder: str) -> str | None:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", link) or link.startswith(("#", "//")):
        return link if not link.startswith("//") else None
    path, hash_, fragment = link.partition("#")
    if path.startswith("/"):  # a page of this site, in an example
        return link
    found = where(posixpath.normpath(posixpath.join(folder, path)))
    return found and found + hash_ + fragment


def _headings(tokens: list[dict[str, Any]]) -> list[Heading]:
    found = []
    for token in tokens:
        found.append(Heading(html.unescape(token["name"]), token["id"], token["level"]))
        found.extend(_headings(token["children"]))
    return found
