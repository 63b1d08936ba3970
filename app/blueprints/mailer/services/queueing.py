"""The queue as people see it: mails go in, rendered; they can be sent again, cancelled, purged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select

from app import mail
from app.blueprints.mailer.errors import (
    AlreadySent,
    InHand,
    MissingPlaceholder,
    NotWaiting,
    UnknownMail,
    Wiped,
)
from app.blueprints.mailer.models import CANCELLED, SENT, WAITING, EmailTemplate, QueuedEmail
from app.blueprints.mailer.services import placeholders
from app.blueprints.mailer.services.templates import LARGEST_ID, Texts, find_template
from app.clock import utcnow
from app.db import UnitOfWork

log = logging.getLogger(__name__)

# Key in a session's info: its commit puts something into the queue.
QUEUED = "mail_queued"
# What the audit trail must not tell: it is kept for longer than mails are.
UNTOLD = {"subject", "body", "html", "context", "secret_text", "message_key", "leased_by", "leased_until"}
# Mails deleted in one transaction: a long one would make chargers wait.
PIECE = 500


def queue_letter(work: UnitOfWork, letter: mail.Letter) -> int:
    """Queue a letter: by the staff's template for its language, by their template, or as it is.

    A template that asks for what the letter does not have is passed over: a typing mistake must not keep
    an alarm or an invitation from being sent. Raises ``BadAddress``, ``MissingPlaceholder`` or ``TooLong``.
    """
    row = _written(work, letter)
    if letter.private:
        row.seal()
    return _queue(work, row).id


def queue_from_template(
    work: UnitOfWork, template: EmailTemplate, *, to: str, context: Mapping[str, str], language: str = ""
) -> QueuedEmail:
    """Queue a mail written from a template.

    Raises ``BadAddress``, ``MissingPlaceholder`` with the names that ``context`` lacks, or ``TooLong``.
    """
    return _queue(work, _row(to, template.name, Texts.of(template), context, language))


def traceable(details: Mapping[str, Any]) -> dict[str, Any]:
    """Of what has changed in a mail, by column, what the audit trail tells: not what the mail says."""
    return {column: change for column, change in details.items() if column not in UNTOLD}


def get_mail(work: UnitOfWork, mail_id: int) -> QueuedEmail:
    """The mail with this number. Raises ``UnknownMail``."""
    row = work.get(QueuedEmail, mail_id) if 0 < mail_id <= LARGEST_ID else None
    if row is None:
        raise UnknownMail
    return row


def send_again(work: UnitOfWork, row: QueuedEmail) -> None:
    """Let a mail be tried at once, as if it had just been queued.

    Raises ``AlreadySent``, ``InHand`` or ``Wiped``.
    """
    _lock(work, row)
    if row.state == SENT:
        raise AlreadySent(row)
    if row.wiped:
        raise Wiped(row)
    row.state, row.next_try_at = WAITING, utcnow()
    row.attempts, row.failing_since, row.last_error = 0, None, ""
    work.info[QUEUED] = True


def cancel(work: UnitOfWork, row: QueuedEmail) -> None:
    """Keep a mail that waits from being sent. Raises ``InHand`` or ``NotWaiting``."""
    _lock(work, row)
    if row.state != WAITING:
        raise NotWaiting(row)
    row.finish(CANCELLED)


def purge_piece(work: UnitOfWork) -> int:
    """Delete sent mails, the oldest, at most ``PIECE``; return how many there were."""
    oldest = select(QueuedEmail.id).where(QueuedEmail.state == SENT).order_by(QueuedEmail.id).limit(PIECE)
    gone = delete(QueuedEmail).where(QueuedEmail.id.in_(oldest.scalar_subquery())).returning(QueuedEmail.id)
    return len(work.scalars(gone.execution_options(synchronize_session=False)).all())


def count(work: UnitOfWork, state: str, most: int) -> int:
    """How many mails are in a state; ``most`` stands for that many or more, which is all that is counted."""
    some = select(QueuedEmail.id).where(QueuedEmail.state == state).limit(most).subquery()
    return work.scalar(select(func.count()).select_from(some)) or 0


def count_by_state(work: UnitOfWork) -> dict[str, int]:
    """State → mails in it; states without any are left out."""
    found = work.execute(select(QueuedEmail.state, func.count()).group_by(QueuedEmail.state))
    return {state: count for state, count in found}


def _written(work: UnitOfWork, letter: mail.Letter) -> QueuedEmail:
    own = Texts(letter.subject, letter.body)
    template = find_template(work, letter.template, letter.language)
    if template is not None:
        try:
            return _row(letter.to, template.name, Texts.of(template), letter.context, letter.language)
        except MissingPlaceholder as lack:
            log.error("the template %s cannot be used: %s", template.name, lack.detail)
    return _row(letter.to, letter.template, own, letter.context, letter.language)


def _row(to: str, name: str, texts: Texts, context: Mapping[str, str], language: str) -> QueuedEmail:
    filled = texts.filled(context)
    return QueuedEmail(
        to=mail.address(to),
        template=name,
        subject=filled.subject,
        body=filled.body,
        html=filled.html,
        context={each: placeholders.clean(context[each]) for each in texts.placeholders()},
        language=language[:5],
    )


def _queue(work: UnitOfWork, row: QueuedEmail) -> QueuedEmail:
    row.next_try_at = utcnow()
    work.add(row)
    work.flush()  # callers name the mail by its id
    work.info[QUEUED] = True
    return row


def _lock(work: UnitOfWork, row: QueuedEmail) -> None:
    """See the row as it is now: a worker may have sent it since it was read."""
    work.refresh(row, with_for_update=True)
    if row.in_hand:
        raise InHand(row)
