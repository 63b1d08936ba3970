"""The staff page of the work that is done outside of requests: queues, workers, jobs."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app, flash, make_response, redirect, render_template, request
from flask_admin import expose
from flask_babel import format_datetime, format_timedelta, gettext
from werkzeug.wrappers import Response

from app import access, doorbell
from app.admin_base import StaffPage
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.clock import utcnow
from app.db import db, unit_of_work
from app.jobs import board, ledger, presence
from app.queues import QUEUES


class WorkAdmin(StaffPage):
    """Live by a light poll; works by reload."""

    @expose("/")
    def index(self) -> str:
        """Everything."""
        return str(self.render("website/admin/work.html", **_found()))

    @expose("/news/")
    def news(self) -> Response:
        """The part of the page that changes."""
        answer = make_response(render_template("website/admin/_work.html", admin_view=self, **_found()))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @expose("/job/<int:job_id>/")
    def job(self, job_id: int) -> Any:
        """The history of one job."""
        found = _found()
        line = next((line for line in found["board"].lines if line.job.id == job_id), None)
        if line is None:
            flash(gettext("Record does not exist."), "error")
            return redirect(self.get_url(".index"))
        runs = ledger.last_runs(db.session(), job_id, ledger.KEPT)
        return self.render("website/admin/job.html", line=line, runs=runs, **found)

    @expose("/run/", methods=("POST",))
    def run(self) -> Response:
        """Have a job run now."""
        task = request.form.get("task", "")[:100].replace("\0", "")
        with unit_of_work() as work:
            job = ledger.ask(work, task)
            if job is not None:
                who = cast("User | None", access.caller().user)
                audit.record(work, who, "run", "job", job.id, {"task": task})
                queue = job.queue
        if job is None:
            flash(gettext("There is no such job."), "error")
        elif doorbell.ring_once(task, queue):
            flash(gettext("%(task)s runs as soon as a worker is free.", task=task), "success")
        else:
            flash(gettext("The broker is away. %(task)s runs as soon as it is back.", task=task), "warning")
        return redirect(self.get_url(".index"))


def _found() -> dict[str, Any]:
    zone = current_app.config["TIME_ZONE"]
    found = board.read(db.session(), doorbell.waiting(), zone)
    return {
        "board": found, "presence": presence, "queues": QUEUES, "moment": _moment, "span": _span,
        "now": utcnow(),
    }  # fmt: skip


def _moment(at: Any) -> str:
    return "" if at is None else str(format_datetime(at, "medium"))


def _span(seconds: float) -> str:
    """How long something took, in the reader's language."""
    if seconds < 1:
        return gettext("%(number)d ms", number=round(seconds * 1000))
    return str(format_timedelta(seconds, threshold=1.5, granularity="second"))
