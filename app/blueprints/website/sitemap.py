"""What search engines are told: every public page, in each of its languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

from app.language import LANGUAGES, PARAMETER

# A sitemap may hold 50,000 addresses (sitemaps.org); each page is one for each language, and one for none.
MOST_PAGES = 50_000 // (len(LANGUAGES) + 1)

HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">
"""


def written(public_url: str, paths: Iterable[str]) -> str:
    """The sitemap, as XML. ``paths`` begin with a slash."""
    pages = [f"{public_url}{path}" for path in paths][:MOST_PAGES]
    return HEAD + "".join(line for page in pages for line in _page(page)) + "</urlset>\n"


def _page(url: str) -> Iterator[str]:
    """A page where the visitor's browser decides the language, and where its address does."""
    versions = {"x-default": url} | {code: f"{url}?{urlencode({PARAMETER: code})}" for code in LANGUAGES}
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" href={quoteattr(version)}/>'
        for code, version in versions.items()
    )
    for version in versions.values():
        yield f"<url><loc>{_text(version)}</loc>{links}</url>\n"


def _text(url: str) -> str:
    return quoteattr(url)[1:-1]
