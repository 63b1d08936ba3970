"""The language of templates: ``{name}``, and ``{{`` and ``}}`` for braces. Names, and nothing inside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flask_babel import gettext

from app.blueprints.mailer.errors import BadTemplate, TooLong

TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")
# What neither a database nor a mail can hold: controls but for tab and line end, halves of surrogate pairs.
UNSENDABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# Of one text: more take longer to look through than a web request should.
MOST_BRACES = 2000
# In characters, of a filled-in text.
LONGEST_TEXT = 1_000_000


@dataclass(frozen=True)
class Placeholder:
    """A name that the context has a value for."""

    name: str


def parse(text: str, part: str) -> list[str | Placeholder]:
    """A template's texts and placeholders, in order. Raises ``BadTemplate`` with the place in ``part``."""
    if text.count("{") > MOST_BRACES:
        raise BadTemplate(part, gettext("%(limit)d braces at most", limit=MOST_BRACES))
    if bad := UNSENDABLE.search(text):
        raise BadTemplate(part, _place(text, bad.start()) + gettext("this character cannot be sent"))
    parts: list[str | Placeholder] = []
    done = 0
    for token in TOKEN.finditer(text):
        parts.append(text[done : token.start()])
        parts.append(_meant(token, text, part))
        done = token.end()
    return [*parts, text[done:]]


def names(parts: Iterable[str | Placeholder]) -> list[str]:
    """The placeholders, each once, in the order in which they are met."""
    return list(dict.fromkeys(part.name for part in parts if isinstance(part, Placeholder)))


def fill(
    parts: Iterable[str | Placeholder], context: Mapping[str, str], escape: Callable[[str], str] = str
) -> str:
    """The text with every placeholder replaced. Raises ``TooLong``; the context must have every name."""
    parts = list(parts)
    values = {name: escape(clean(context[name])) for name in names(parts)}
    pieces = [clean(part) if isinstance(part, str) else values[part.name] for part in parts]
    if sum(map(len, pieces)) > LONGEST_TEXT:  # asked before they are put together
        raise TooLong(LONGEST_TEXT)
    return "".join(pieces)


def clean(value: object) -> str:
    """A value as text that can be stored and sent."""
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _meant(token: re.Match[str], text: str, part: str) -> str | Placeholder:
    if token[1]:
        return Placeholder(token[1])
    if len(token[0]) == 2:
        return token[0][0]
    found = re.match(r"\{[^{}\n]{0,30}\}?|\}", text[token.start() :])
    assert found is not None  # it begins with a brace
    reason = gettext(
        "“%(found)s” is no placeholder: one is a name in braces, such as {username}, of letters, digits and"
        " _. A brace itself is written twice.",
        found=found[0],
    )
    raise BadTemplate(part, _place(text, token.start()) + reason)


def _place(text: str, index: int) -> str:
    before = text[:index]
    line, character = before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
    return gettext("line %(line)d, character %(character)d: ", line=line, character=character)
