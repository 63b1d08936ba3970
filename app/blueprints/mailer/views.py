"""The HTTP endpoints of mailer."""

from __future__ import annotations

import time
from datetime import UTC

from flask import Flask
from flask.typing import ResponseReturnValue

from app import access, mail, metrics
from app.blueprints import Domain
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.mailer import bell, cli, forms, measures, services
from app.blueprints.mailer.forms import MailOrder, TemplateDraft
from app.blueprints.mailer.models import QueuedEmail
from app.blueprints.mailer.services import queueing, templates
from app.body import body
from app.db import db, unit_of_work

bp = Domain("mailer", __name__)


@bp.post("/template/add/")
@access.allow(access.STAFF_OR_TOKEN, json=True, only_post=True)
def add_template() -> ResponseReturnValue:
    """Make a template, or replace the one of this name."""
    draft = TemplateDraft.parse(body())
    with unit_of_work() as work:
        template_id = templates.save_template(
            work, name=draft.name, subject=draft.subject, body=draft.body, html=draft.html, by=_caller()
        )
    return {"id": template_id}


@bp.post("/queue/add/")
@access.allow(access.STAFF_OR_TOKEN, json=True, only_post=True)
def add_mail() -> ResponseReturnValue:
    """Queue a mail, written from a template."""
    order = MailOrder.parse(body())
    with unit_of_work() as work:
        template = templates.get_template(work, order.template_id)
        queued = services.queue_from_template(work, template, to=order.to, context=order.context)
        told = queueing.traceable(audit.changes({}, audit.values(queued)))
        audit.record(work, _caller(), "create", queued.__tablename__, queued.id, told)
        return {"id": queued.id}


@bp.get("/status/<mail_id>/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def status(mail_id: str) -> ResponseReturnValue:
    """Tell whether a mail has been sent."""
    row = queueing.get_mail(db.session(), forms.mail_id(mail_id))
    at = row.sent_at
    told = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
    return {"sent": row.sent, "sent_at": told}


@bp.post("/purge/")
@access.allow(access.STAFF_OR_TOKEN, json=True, only_post=True)
def purge() -> ResponseReturnValue:
    """Delete every mail that has been sent."""
    return {"purged": purge_sent(_caller())}


def purge_sent(by: User | None) -> int:
    """Delete what has been sent, in short pieces between which others get their turn; return how many."""
    purged = 0
    while True:
        with unit_of_work() as work:
            count = queueing.purge_piece(work)
            purged += count
            is_over = count < queueing.PIECE
            if is_over and purged:
                audit.record(work, by, "purge", QueuedEmail.__tablename__, "", {"purged": purged})
        if is_over:
            return purged
        time.sleep(0.001)


def _caller() -> User | None:
    """Whoever is logged in, or owns the token: for the audit trail."""
    user = access.caller().user
    return user if isinstance(user, User) else None


def init_app(app: Flask) -> None:
    """The way into the queue for every domain, its bell, the command, and what there is to measure."""
    mail.queue = services.queue_letter
    metrics.register(app, measures.collect)
    bell.init_app(app)
    cli.init_app(app)
