"""The staff screen of the queue: what waits, what was sent, what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import current_app, flash, g, redirect, request
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.contrib.sqla.fields import QuerySelectField
from flask_admin.contrib.sqla.filters import FilterEqual
from flask_admin.form import BaseForm
from flask_babel import gettext, lazy_gettext, ngettext
from markupsafe import Markup
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import Field, Form, StringField, ValidationError
from wtforms.validators import DataRequired

from app import access, doorbell, mail
from app.admin_base import StaffView
from app.admin_times import as_shown
from app.blueprints.accounts.services import audit
from app.blueprints.mailer import delivery, letters, services, smtp, tasks
from app.blueprints.mailer.admin.fields import ValuesField
from app.blueprints.mailer.errors import StillWaiting
from app.blueprints.mailer.models import (
    CANCELLED,
    FAILED,
    SENT,
    WAITING,
    EmailTemplate,
    QueuedEmail,
    ServerTrouble,
)
from app.blueprints.mailer.services import queueing, sending
from app.blueprints.mailer.views import purge_sent
from app.clock import utcnow
from app.db import UnitOfWork, db, unit_of_work
from app.domain_error import DomainError

STATES = {
    WAITING: (lazy_gettext("waiting"), "info"),
    SENT: (lazy_gettext("sent"), "success"),
    FAILED: (lazy_gettext("failed"), "danger"),
    CANCELLED: (lazy_gettext("cancelled"), "secondary"),
}
# As many as are counted for the page.
MANY = 10_000


def trouble() -> ServerTrouble | None:
    """The mail server's, read once for a page."""
    if "mail_trouble" not in g:
        server = smtp.Server.of(current_app.config)
        g.mail_trouble = sending.trouble_of(db.session(), str(server))
    found: ServerTrouble | None = g.mail_trouble
    return found


def _state(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> Markup:
    word, colour = (gettext("being sent"), "primary") if row.in_hand else STATES[row.state]
    return Markup('<span class="badge badge-{}">{}</span>').format(colour, word)


def _subject(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> Markup:
    private = Markup(' <span class="badge badge-dark">{}</span>').format(gettext("private"))
    return Markup("{}{}").format(row.subject, private if row.private else "")


def _next_try(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> str:
    if row.next_try_at is None:
        return ""
    if not current_app.config["SMTP_HOST"]:
        return gettext("when SMTP_HOST is set")
    held_up = trouble()
    at = max(row.next_try_at, held_up.next_try_at) if held_up else row.next_try_at
    return gettext("at once") if at <= utcnow() else as_shown(at)


def _error(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> str:
    held_up = trouble() if row.state == WAITING and not row.last_error else None
    return held_up.reason if held_up else row.last_error


def _context(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> str:
    return ", ".join(f"{name} = {value}" for name, value in row.context.items())


def _message_id(_view: Any, _context: Any, row: QueuedEmail, _name: str) -> str:
    return letters.message_id(row.message_key, mail.sender(current_app.config["MAIL_FROM"]))


def _address(_form: Form, field: Field) -> None:
    try:
        field.data = mail.address(field.data)
    except DomainError as refusal:
        raise ValidationError(refusal.detail) from refusal


class TestMail(BaseForm):
    """Where a test mail goes."""

    to = StringField(lazy_gettext("To"), [DataRequired(), _address])


class MailAdmin(StaffView):
    """Mails are written by the program and by templates; staff watch them, and let them go again."""

    can_edit = False
    simple_list_pager = True
    list_template = "mailer/admin/queue.html"
    details_template = "mailer/admin/mail.html"
    column_list = (
        *("id", "to", "template", "subject", "state", "next_try_at", "last_error", "queued_at", "sent_at"),
    )
    column_details_list = (
        *("to", "template", "context", "language", "state", "attempts", "next_try_at", "last_error"),
        *("failing_since", "queued_at", "sent_at", "message_id"),
    )
    column_searchable_list = ("to", "subject", "template")
    column_filters = (
        FilterEqual(
            QueuedEmail.state,
            lazy_gettext("State"),
            options=lambda: [(state, word) for state, (word, _) in STATES.items()],
        ),
        *("to", "template", "private", "queued_at", "sent_at"),
    )
    column_sortable_list = ("id", "to", "template", "queued_at", "sent_at", "next_try_at")
    column_default_sort = ("id", True)
    column_formatters = {
        "state": _state,
        "subject": _subject,
        "next_try_at": _next_try,
        "last_error": _error,
        "context": _context,
        "message_id": _message_id,
    }
    column_formatters_detail = column_formatters
    column_labels = {
        "id": lazy_gettext("Number"),
        "to": lazy_gettext("To"),
        "template": lazy_gettext("Template"),
        "context": lazy_gettext("Values"),
        "language": lazy_gettext("Language"),
        "subject": lazy_gettext("Subject"),
        "state": lazy_gettext("State"),
        "private": lazy_gettext("Private"),
        "attempts": lazy_gettext("Tries"),
        "next_try_at": lazy_gettext("Next try"),
        "last_error": lazy_gettext("Last error"),
        "failing_since": lazy_gettext("Fails since"),
        "queued_at": lazy_gettext("Queued"),
        "sent_at": lazy_gettext("Sent"),
        "message_id": lazy_gettext("Message-ID"),
    }
    form_columns = ("to", "template", "context")
    form_extra_fields = {
        "to": StringField(lazy_gettext("To"), [DataRequired(), _address]),
        "template": QuerySelectField(
            lazy_gettext("Template"),
            [DataRequired()],
            query_factory=lambda: db.session.scalars(select(EmailTemplate).order_by(EmailTemplate.name)),
        ),
        "context": ValuesField(
            lazy_gettext("Values"), description=lazy_gettext("Name = value, on a line each.")
        ),
    }
    form_widget_args = {"context": {"rows": 5}}

    # Writing

    def make(self, work: UnitOfWork, form: Form) -> QueuedEmail:
        """Queue a mail, as the JSON address does."""
        return services.queue_from_template(
            work, form.template.data, to=form.to.data, context=form.context.data or {}
        )

    def remove(self, work: UnitOfWork, row: QueuedEmail) -> None:
        """What waits is cancelled first."""
        if row.state == WAITING:
            raise StillWaiting(row)
        super().remove(work, row)

    def audit(self, work: UnitOfWork, name: str, row: Any, details: dict[str, Any]) -> None:
        """Remember who did what, not what the mail says."""
        super().audit(work, name, row, queueing.traceable(details))

    @action("send_again", lazy_gettext("Send again now"), lazy_gettext("Send the selected mails again, now?"))
    def action_send_again(self, ids: Sequence[str]) -> None:
        """Let mails go at once, also those that were given up or cancelled."""

        def again(work: UnitOfWork, row: QueuedEmail) -> None:
            queueing.send_again(work, row)
            sending.server_is_well(work)

        if count := self.change_each(ids, "send again", again):
            flash(
                ngettext("%(num)d mail is sent again now.", "%(num)d mails are sent again now.", count),
                "success",
            )

    @action("cancel", lazy_gettext("Cancel"), lazy_gettext("Keep the selected mails from being sent?"))
    def action_cancel(self, ids: Sequence[str]) -> None:
        """Keep mails from being sent."""
        if count := self.change_each(ids, "cancel", queueing.cancel):
            flash(ngettext("%(num)d mail cancelled.", "%(num)d mails cancelled.", count), "success")

    @expose("/purge/", methods=("GET", "POST"))
    def purge(self) -> Any:
        """Ask, then delete what has been sent."""
        if request.method == "GET":
            sent = queueing.count(db.session(), SENT, MANY)
            return self.render("mailer/admin/purge.html", sent=sent, many=MANY)
        purged = purge_sent(_staff())
        flash(ngettext("%(num)d mail purged.", "%(num)d mails purged.", purged), "success")
        return redirect(self.get_url(".index_view"))

    @expose("/try-now/", methods=("POST",))
    def try_now(self) -> Response:
        """Ask a server that was in trouble again, at once."""
        with unit_of_work() as work:
            sending.server_is_well(work)
            audit.record(work, _staff(), "try now", ServerTrouble.__tablename__, "")
        doorbell.ring(tasks.send_queued)
        flash(gettext("The mail server is asked again."), "success")
        return redirect(self.get_url(".index_view"))

    @expose("/test/", methods=("GET", "POST"))
    def test(self) -> Any:
        """Send a test mail, and show what the server answers."""
        form = TestMail(
            request.form if request.method == "POST" else None, data={"to": getattr(_staff(), "email", "")}
        )
        answer = error = ""
        if request.method == "POST" and form.validate():
            answer, error = _tested(form.to.data)
        return self.render(
            "mailer/admin/test.html", form=form, answer=answer, error=error,
            server=smtp.Server.of(current_app.config), mail_from=current_app.config["MAIL_FROM"],
        )  # fmt: skip

    # Reading

    def get_query(self) -> Any:
        """Every mail, without what it says."""
        return super().get_query().options(*sending.TEXTLESS)

    def render(self, template: str, **kwargs: Any) -> Any:
        """The list tells how the sending goes; a mail's page what it says."""
        if template == self.list_template:
            work = db.session()
            kwargs |= {
                "has_server": bool(current_app.config["SMTP_HOST"]),
                "trouble": trouble(),
                "counts": {state: queueing.count(work, state, MANY) for state in (WAITING, FAILED)},
                "many": MANY,
                "states": STATES,
            }
        return super().render(template, as_shown=as_shown, **kwargs)


def _staff() -> Any:
    return access.caller().user


def _tested(to: str) -> tuple[str, str]:
    """What the server answers to a test mail, and why there is no answer."""
    db.session.remove()  # nobody keeps a database connection while a server thinks
    try:
        answer = delivery.send_test(to)
    except (smtp.Unavailable, smtp.Refused, smtp.Later) as reason:
        with unit_of_work() as work:
            _remember_test(work, {"to": to, "failed": str(reason)})
        return "", str(reason)
    with unit_of_work() as work:
        sending.server_is_well(work)
        _remember_test(work, {"to": to})
    doorbell.ring(tasks.send_queued)
    return answer, ""


def _remember_test(work: UnitOfWork, details: dict[str, str]) -> None:
    audit.record(work, _staff(), "test mail", QueuedEmail.__tablename__, "", details)
