"""Which language a visitor reads: the address's, this session's choice, their profile's, the browser's.

LANGUAGE_CODE is for the others. ``preferred`` is registered by accounts.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app, has_request_context, request, session
from flask_babel import refresh

LANGUAGES = {"en": "English", "es": "Español"}
# How a language's numbers and dates are written. Our Spanish is Mexico's: 1,234.5 kWh, as in English.
LOCALES = {"en": "en", "es": "es_MX"}
# ``/chat/?lang=es``: an address that names its language, for search engines and for links in a language.
PARAMETER = "lang"

preferred: Callable[[], str] = lambda: ""  # noqa: E731 - replaced by accounts


def choose() -> str:
    """The language code for this request."""
    default: str = current_app.config["LANGUAGE_CODE"]
    if not has_request_context():
        return default
    for chosen in (_named, _chosen, preferred):
        if (code := chosen()) in LANGUAGES:
            return code
    wanted = (tag.lower().partition("-")[0] for tag, quality in request.accept_languages if quality)
    return next((code for code in wanted if code in LANGUAGES), default)


def locale() -> str:
    """The locale for this request."""
    return LOCALES[choose()]


def locale_of(code: str) -> str:
    """The locale of a language, such as a person's whom a letter goes to."""
    return LOCALES.get(code, code)


def _named() -> str:
    return request.args.get(PARAMETER, "")


def _chosen() -> str:
    return str(session.get("language", ""))


def remember(code: str) -> None:
    """Make a language this session's choice; an empty code: no choice. What follows is said in it."""
    if code:
        session["language"] = code
    else:
        session.pop("language", None)
    refresh()
