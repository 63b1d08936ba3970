"""Logs: one file per active domain, rotated at midnight, safe with several processes."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from concurrent_log_handler import ConcurrentTimedRotatingFileHandler
from flask import Flask, current_app, has_request_context, request

from app.blueprints import DOMAINS

# What a thread or greenlet works for. ``domain``, outside any request: a worker's queue, the charger line;
# ``charger``: whose socket it serves.
active = threading.local()

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Ids that a record may carry in `extra`, shown in JSON lines.
FIELDS = ("charger", "message_id", "action", "job")


def domain_of(endpoint: str | None) -> str:
    """The domain of an endpoint, whichever way its view is mounted: ``ocpp@site.dashboard`` → ``ocpp``.

    Staff screens are ``admin``; what belongs to no domain is the website's.
    """
    blueprint = re.split(r"[@.]", endpoint or "")[0]
    if blueprint in DOMAINS:
        return blueprint
    module = str(getattr(current_app.view_functions.get(endpoint or ""), "__module__", ""))
    if found := re.match(r"app\.blueprints\.(\w+)", module):  # a socket, a login page
        return found[1]
    return "admin" if module.startswith(("flask_admin", "app.admin_base")) else "website"


def active_domain() -> str:
    """Who the current line belongs to."""
    if os.environ.get("PYTEST_CURRENT_TEST"):
        return "tests"
    name = getattr(active, "domain", "")
    if name:
        return str(name)
    return domain_of(request.endpoint) if has_request_context() else "website"


class WithoutLinks(logging.Filter):
    """Takes out what logs somebody in: an address with a link's token may be part of any line."""

    TOKEN = re.compile(r"(set-password(?:/|%2F))[^\s/\"'&?%]+", re.IGNORECASE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, less the tokens."""
        text = record.getMessage()
        if "set-password" in text:
            record.msg, record.args = self.TOKEN.sub(r"\1…", text), ()
        return True


class WithIds(logging.Filter):
    """Gives each record the charger that its thread or greenlet serves, unless it names one itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        charger = getattr(active, "charger", "")
        if charger and not hasattr(record, "charger"):
            record.charger = charger
        return True


class PlainFormatter(logging.Formatter):
    """A line for people; the ids that came along follow its text: ``… [charger=CP1 message_id=7]``."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without what follows an exception."""
        ids = " ".join(f"{name}={found}" for name in FIELDS if (found := getattr(record, name, "")))
        line = super().formatMessage(record)
        return f"{line} [{ids}]" if ids else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the same facts as the plain line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, logger, text, and the ids that came along."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class DomainHandler(logging.Handler):
    """Hands each record to the file of its active domain."""

    def __init__(self, folder: Path, formatter: logging.Formatter) -> None:
        super().__init__()
        self._folder = folder
        self._files: dict[str, logging.Handler] = {}
        self.setFormatter(formatter)
        self.addFilter(WithoutLinks())
        self.addFilter(WithIds())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a full disk must not cost a request."""
        try:
            self._file(active_domain()).emit(record)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close every file."""
        for handler in self._files.values():
            handler.close()
        super().close()

    def _file(self, name: str) -> logging.Handler:
        if name not in self._files:
            self._folder.mkdir(parents=True, exist_ok=True)
            handler = ConcurrentTimedRotatingFileHandler(
                str(self._folder / f"{name}.log"),
                when="midnight",
                backupCount=30,
                encoding="utf-8",
                delay=True,
            )
            handler.setFormatter(self.formatter)
            self._files[name] = handler
        return self._files[name]


def init_app(app: Flask) -> None:
    """Send the application's log to its files, once per process and folder."""
    if app.config["TIME_ZONE"]:  # whose midnight it is
        os.environ["TZ"] = app.config["TIME_ZONE"]
        time.tzset()
    folder = Path(app.config["LOG_DIR"])
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, DomainHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(
        DomainHandler(folder, JsonFormatter() if app.config["LOG_JSON"] else PlainFormatter(LINE))
    )
    if root.level in (logging.NOTSET, logging.WARNING):
        root.setLevel(logging.INFO)
    gunicorn = logging.getLogger("gunicorn.error")  # its lines go to the terminal
    if not any(isinstance(found, WithoutLinks) for found in gunicorn.filters):
        gunicorn.addFilter(WithoutLinks())
    for noisy in (
        "alembic",
        "sqlalchemy.engine",
        "celery",
        "websockets",
        "PIL",
        "MARKDOWN",
        "ocpp.simulator.frames",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
