"""How errors are shown: a sentence, as JSON for JSON addresses, as a page for pages; never a stack trace."""

from __future__ import annotations

import logging

from flask import Flask, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from app import access
from app.db import is_full
from app.domain_error import DomainError

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(Exception, _bug)


def _domain_error(error: DomainError) -> ResponseReturnValue:
    return shown(error.status_code, error.detail)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is not None and error.code < 400:  # a redirect
        return error.get_response()
    if error.code == 404:
        return shown(404, gettext("There is nothing at this address."))
    if error.code == 413:
        most_mb = current_app.config["MAX_CONTENT_LENGTH"] // 2**20
        return shown(413, gettext("This is too large: %(most)d MB at most.", most=most_mb))
    headers = {
        key: value for key, value in error.get_headers() if key not in ("Content-Type", "Content-Length")
    }
    return shown(error.code or 500, str(error.description or error.name), headers)


def _database_error(error: DBAPIError) -> ResponseReturnValue:
    if not is_full(error):
        return _bug(error)
    return shown(503, gettext("The disk is full: nothing can be stored until there is room."))


def _bug(error: Exception) -> ResponseReturnValue:
    log.exception("unhandled error", exc_info=error)
    return shown(500, gettext("Something went wrong here. It has been written to the log."))


def shown(status: int, detail: str, headers: dict[str, str] | None = None) -> ResponseReturnValue:
    """One error, in the manner of the address."""
    if access.speaks_json():
        return jsonify(detail=detail), status, headers or {}
    return render_template("error.html", status=status, detail=detail), status, headers or {}
