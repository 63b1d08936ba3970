"""Which language a visitor reads: this session's choice, else their profile's, else the browser's.

LANGUAGE_CODE is for the others. ``preferred`` is registered by accounts.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app, has_request_context, request, session
from flask_babel import refresh

LANGUAGES = {"en": "English", "es": "Español"}

preferred: Callable[[], str] = lambda: ""  # noqa: E731 - replaced by accounts


def choose() -> str:
    """The language code for this request."""
    default: str = current_app.config["LANGUAGE_CODE"]
    if not has_request_context():
        return default
    for chosen in (session.get("language"), preferred()):
        if chosen in LANGUAGES:
            return str(chosen)
    wanted = (tag.lower().partition("-")[0] for tag, quality in request.accept_languages if quality)
    return next((code for code in wanted if code in LANGUAGES), default)


def remember(code: str) -> None:
    """Make a language this session's choice; an empty code: no choice. What follows is said in it."""
    if code:
        session["language"] = code
    else:
        session.pop("language", None)
    refresh()
