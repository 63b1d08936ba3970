"""Every catalogue holds every message of the source, translated, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_keywords, parse_mapping_cfg
from babel.messages.pofile import read_po

from app.config import ROOT
from app.language import LANGUAGES

APP = ROOT / "app"
CATALOGUES = {
    code: APP / "translations" / code / "LC_MESSAGES" / "messages.po" for code in LANGUAGES if code != "en"
}
HINT = "run scripts/translations, then translate what is empty or fuzzy"


def source_messages() -> set[str | tuple[str, ...]]:
    """The messages of the source, found as scripts/translations finds them."""
    with (APP / "translations" / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = DEFAULT_KEYWORDS | parse_keywords(["lazy_gettext", "lazy_ngettext:1,2"])
    found = extract_from_dir(str(APP), methods, options, keywords, directory_filter=lambda folder: True)
    return {message for _, _, message, *_ in found}


def catalogue(code: str) -> list:
    with CATALOGUES[code].open("rb") as file:
        return [message for message in read_po(file, locale=code) if message.id]


def texts(message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


@pytest.mark.parametrize("code", CATALOGUES)
def test_every_message_is_in_the_catalogue(code):
    known = {message.id for message in catalogue(code)}

    assert source_messages() - known == set(), HINT


@pytest.mark.parametrize("code", CATALOGUES)
def test_the_catalogue_holds_nothing_stale(code):
    known = {message.id for message in catalogue(code)}

    assert known - source_messages() == set(), HINT


@pytest.mark.parametrize("code", CATALOGUES)
def test_every_message_is_translated_for_sure(code):
    open_ones = [message.id for message in catalogue(code) if message.fuzzy or not all(texts(message))]

    assert open_ones == [], HINT


@pytest.mark.parametrize("code", CATALOGUES)
def test_a_translation_has_the_placeholders_of_its_message(code):
    placeholder = re.compile(r"%\(\w+\)[sd]|\{\w*\}")
    for message in catalogue(code):
        wanted = set(placeholder.findall(message.id if isinstance(message.id, str) else message.id[1]))
        for text in texts(message):
            assert set(placeholder.findall(text)) == wanted, message.id


@pytest.mark.parametrize("file", sorted((APP / "templates").rglob("*.html")), ids=lambda file: file.name)
def test_a_template_holds_no_text_that_is_not_translated(file: Path):
    """A rough look: words between tags that stand outside of any Jinja expression."""
    text = re.sub(r"{% trans.*?endtrans.*?%}", "", file.read_text(), flags=re.DOTALL)
    text = re.sub(r"{#.*?#}|{%.*?%}|<(script|style|svg|code|title)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"{{.*?}}|<[^>]*>|&\w+;", "|", text, flags=re.DOTALL)
    words = set(re.findall(r"[^\W\d_]{3,}", text)) - NAMES

    assert words == set()


# What is called the same in every language.
NAMES = {
    "Arthexis",
    "Constellation",
    "OCPP",
    "RFID",
    "kWh",
    "CSV",
    "JSON",
    "XLSX",
    "AWG",
    "mm²",
    "kcmil",
    "kft",
}
