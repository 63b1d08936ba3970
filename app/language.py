"""Which language a visitor reads: their own choice, else the browser's, else LANGUAGE_CODE."""

from __future__ import annotations

from flask import current_app, has_request_context, request, session

LANGUAGES = {"en": "English", "es": "Español"}


def choose() -> str:
    """The language code for this request."""
    default: str = current_app.config["LANGUAGE_CODE"]
    if not has_request_context():
        return default
    chosen = session.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    wanted = (tag.lower().partition("-")[0] for tag, quality in request.accept_languages if quality)
    return next((code for code in wanted if code in LANGUAGES), default)
