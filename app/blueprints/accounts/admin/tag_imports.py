"""Staff screen of files of tags: send one, see what it would do, confirm or discard it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import islice
from os import SEEK_END
from typing import Any, NamedTuple

from flask import Response, current_app, flash, jsonify, redirect, request
from flask_admin import expose
from flask_admin.form import BaseForm
from flask_babel import force_locale, format_decimal, get_locale, gettext, lazy_gettext
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse
from wtforms import FileField, Form, ValidationError

from app import doorbell, downloads
from app.admin_base import StaffView
from app.blueprints.accounts import tag_sentences, tasks
from app.blueprints.accounts.admin.picking import staff
from app.blueprints.accounts.errors import FileTooLarge, NoFile
from app.blueprints.accounts.models import TagImport
from app.blueprints.accounts.services import tag_imports
from app.clock import utcnow
from app.db import UnitOfWork, db
from app.domain_error import NotFound

# Bad lines in one piece of the download.
PIECE = 500


class State(NamedTuple):
    """How a state is shown: a colour, a word, and what it means."""

    colour: str
    word: Any
    meaning: Any


STATES = {
    "waiting": State("info", lazy_gettext("Being checked"), lazy_gettext("Nothing has been changed.")),
    "checked": State(
        "primary", lazy_gettext("Checked"), lazy_gettext("Nothing has been changed. Look, then confirm.")
    ),
    "bad": State(
        "danger",
        lazy_gettext("Bad lines"),
        lazy_gettext("Nothing has been changed, and nothing can be until every line is good."),
    ),
    "confirmed": State(
        "info", lazy_gettext("Being imported"), lazy_gettext("It will be all of it, or nothing.")
    ),
    "stale": State(
        "warning",
        lazy_gettext("Overtaken"),
        lazy_gettext(
            "Nothing has been changed: what was confirmed is no longer what would happen. Check it again."
        ),
    ),
    "applied": State("success", lazy_gettext("Imported"), lazy_gettext("All of it has been imported.")),
    "discarded": State("secondary", lazy_gettext("Discarded"), lazy_gettext("Nothing has been changed.")),
    "failed": State(
        "danger",
        lazy_gettext("Failed"),
        lazy_gettext("Nothing has been changed: the worker stopped several times while it had this file."),
    ),
}  # fmt: skip


def _state(_view: Any, _context: Any, row: TagImport, _name: str) -> Markup:
    state = STATES[row.state]
    return Markup('<span class="badge badge-{}">{}</span>').format(state.colour, state.word)


def _fits(_form: Form, field: FileField) -> None:
    """Something has been sent, and not too much of it."""
    stream = getattr(field.data, "stream", None)  # some text, when no browser has sent it
    size = stream.seek(0, SEEK_END) if stream else 0
    if not stream or not size:
        raise ValidationError(NoFile().detail)
    if size > tag_imports.MOST_BYTES:
        raise ValidationError(FileTooLarge(tag_imports.MOST_MB).detail)
    stream.seek(0)


class Sending(BaseForm):
    """What staff send."""

    file = FileField(
        lazy_gettext("File"),
        [_fits],
        render_kw={
            "required": True,
            "accept": ".csv,.txt,.xlsx,.xlsm",
            "data-most-bytes": tag_imports.MOST_BYTES,
            "data-too-large": lazy_gettext(
                "a file may have %(most)d MB at most: split it", most=tag_imports.MOST_MB
            ),
        },
    )


class TagImportAdmin(StaffView):
    """Files of tags. Any member of staff may confirm or discard any of them; the trail says who did."""

    can_edit = False
    can_delete = False
    create_template = "accounts/admin/send_tags.html"
    details_template = "accounts/admin/tag_import.html"
    column_list = ("filename", "state", "created_on", "created_by", "lines", "created", "changed", "bad")
    column_searchable_list = ("filename", "created_by.username")
    column_filters = ("state", "created_on", "finished_on")
    column_sortable_list = ("filename", "state", "created_on", "lines", "created", "changed", "bad")
    column_default_sort = ("id", True)
    column_formatters = {"state": _state}
    column_choices = {"state": [(name, state.word) for name, state in STATES.items()]}
    column_labels = {
        "filename": lazy_gettext("File"),
        "state": lazy_gettext("State"),
        "created_on": lazy_gettext("Sent on"),
        "created_by": lazy_gettext("Sent by"),
        "created_by.username": lazy_gettext("Sent by"),
        "finished_on": lazy_gettext("Finished on"),
        "lines": lazy_gettext("Lines"),
        "created": lazy_gettext("New"),
        "changed": lazy_gettext("Changed"),
        "bad": lazy_gettext("Bad"),
    }
    form = Sending

    # Sending

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> Any:
        """Ask for a file, and go where it can be watched."""
        form = self.create_form()
        if self.validate_form(form) and (row := self.create_model(form)):
            return redirect(self.get_url(".details_view", id=row.id))
        return self.render(self.create_template, form=form, return_url=self.get_url(".index_view"))

    def create_model(self, form: Form) -> TagImport | None:
        """Take the file in, and tell the worker."""
        name, upload = form.file.data.filename or "", form.file.data.stream.read()

        def write(work: UnitOfWork) -> TagImport:
            row = tag_imports.receive(work, staff(), name, upload)
            self.audit(work, "send", row, {"file": row.filename, "bytes": len(upload)})
            return row

        row = self.written(write)
        if row is not None:
            doorbell.ring(tasks.read_tag_file, row.id)
        return row

    # Looking

    def render(self, template: str, **kwargs: Any) -> Any:
        """Give the page of one file what it shows."""
        if template == self.details_template:
            kwargs |= _shown(kwargs["model"])
        return super().render(
            template, most_mb=tag_imports.MOST_MB, most_lines=tag_imports.MOST_LINES, **kwargs
        )

    @expose("/progress/")
    def progress_view(self) -> Response:
        """How far a file is, for the page that shows it."""
        row = self._asked_for()
        lines = row.lines if row.state == "waiting" else 0
        answer = jsonify(state=row.state, text=_progress(row), lines=lines, done=row.done)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @expose("/problems/")
    def problems_view(self) -> Response:
        """Every bad line of a file, as CSV."""
        row = self._asked_for()
        report = tag_imports.report_of(db.session(), row)
        name = f"problems-{row.id}"
        db.session.remove()  # nobody keeps a database connection while a file is sent
        lines = _problems(report, current_app.app_context, get_locale())
        return downloads.csv_file(name, [gettext("line"), gettext("reason")], lines)

    # Deciding

    @expose("/confirm/", methods=("POST",))
    def confirm_view(self) -> AnyResponse:
        """Have what was shown written."""
        seen = _moment(request.form.get("seen", ""))
        row = self._decide("confirm", lambda work, row: tag_imports.confirm(work, row, staff(), seen))
        if row is not None:
            doorbell.ring(tasks.apply_tag_file, row.id)
        return self._back()

    @expose("/check-again/", methods=("POST",))
    def check_again_view(self) -> AnyResponse:
        """Have a file read anew."""
        row = self._decide("check again", tag_imports.check_again)
        if row is not None:
            doorbell.ring(tasks.read_tag_file, row.id)
        return self._back()

    @expose("/discard/", methods=("POST",))
    def discard_view(self) -> AnyResponse:
        """Forget a file."""
        if self._decide("discard", tag_imports.discard) is not None:
            flash(gettext("The file has been discarded. No tag has been changed."), "success")
        return self._back()

    def _decide(self, name: str, decide: Callable[[UnitOfWork, TagImport], None]) -> TagImport | None:
        def write(work: UnitOfWork) -> TagImport:
            row = self._asked_for()
            decide(work, row)
            counts = {"created": row.created, "changed": row.changed}
            self.audit(work, name, row, {"file": row.filename} | (counts if name == "confirm" else {}))
            return row

        return self.written(write)

    def _asked_for(self) -> TagImport:
        row: TagImport | None = self.get_one(request.values.get("id", ""))
        if row is None:
            raise NotFound("not found")
        return row

    def _back(self) -> AnyResponse:
        return redirect(self.get_url(".details_view", id=request.form.get("id", "")))


def _moment(text: str) -> datetime | None:
    """A time as the page has it in its form."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _shown(row: TagImport) -> dict[str, Any]:
    """What the page of a file shows beside the row itself."""
    return {
        "state": STATES[row.state],
        "is_waiting": row.state in tag_imports.WAITING,
        "is_empty": row.state == "checked" and not row.created + row.changed,
        "may_check_again": row.state in tag_imports.CHECKABLE,
        "may_discard": row.state in tag_imports.DISCARDABLE,
        "progress": _progress(row),
        "notes": [tag_sentences.note(*note) for note in row.notes],
        "problems": [tag_sentences.BadLine(*problem) for problem in row.problems],
    }


def _progress(row: TagImport) -> str:
    """How far the worker is, in words."""
    in_hand = row.leased_until is not None and row.leased_until > utcnow()
    if not in_hand:
        return gettext("Waiting for the worker …")
    if not row.done:
        return gettext("The worker has begun …")
    if row.state == "confirmed":
        return gettext("The worker writes the tags …")
    done, lines = format_decimal(row.done), format_decimal(row.lines)
    return gettext("%(done)s of about %(lines)s lines have been read …", done=done, lines=lines)


def _problems(
    report: bytes | None, context: Callable[[], AbstractContextManager[Any]], language: Any
) -> Iterator[tuple[Any, str]]:
    """Number and reason of each bad line, in the language of a request that has ended by then."""
    lines = tag_imports.bad_lines(report)
    while batch := list(islice(lines, PIECE)):
        with context(), force_locale(language):
            piece = [(line.number or "", line.reason) for line in batch]
        yield from piece
