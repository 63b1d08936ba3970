"""What the administration's first page says of the whole installation: what asks for attention."""

from __future__ import annotations

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext, ngettext

from app.admin_base import Note
from app.blueprints.mailer.models import FAILED
from app.blueprints.mailer.services import queueing
from app.blueprints.ocpp.services import alerts
from app.db import db
from app.jobs import presence

# That many mails, or more.
MOST = 100


def notes() -> Iterator[Note]:
    """Alerts, mails that were given up, and whether somebody does the work."""
    work = db.session()
    if open_ones := sum(alerts.count_open(work).values()):
        text = ngettext("%(num)d alert is open.", "%(num)d alerts are open.", open_ones)
        yield Note(text, url_for("alert.index_view"), "danger")
    if failed := queueing.count(work, FAILED, MOST):
        text = ngettext("%(num)d mail could not be sent.", "%(num)d mails could not be sent.", failed)
        yield Note(text, url_for("admin_mail.index_view"))
    if not any(process.kind == presence.WORKER for process in presence.alive(work)):
        yield Note(gettext("No worker is alive: mails wait, and no job runs."), url_for("work.index"))
