"""The queue as the pump sees it: what is due, who has it in hand, and what came of each try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import defer

from app import leases
from app.blueprints.mailer.models import FAILED, SENT, WAITING, QueuedEmail, ServerTrouble
from app.clock import utcnow
from app.db import UnitOfWork

# Mails in a worker's hand at a time.
BATCH = 10
# Seconds that a worker may be silent about a mail; that its longest conversation with a server takes.
LEASE_S, CONVERSATION_S = 300.0, 250.0
# A mail that has failed for so long will not be sent: whatever it says has grown old.
PATIENCE = timedelta(days=3)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# Mails given up in one transaction.
PIECE = 200
# What a mail says is not read where only its state is of interest.
TEXTLESS = [defer(column) for column in (QueuedEmail.body, QueuedEmail.html, QueuedEmail.secret_text)]


@dataclass(frozen=True)
class Outgoing:
    """What is sent, without the row: nothing of the database is held while a server is spoken to."""

    id: int
    to: str
    subject: str
    # Plain text and HTML; None when they were encrypted under another key.
    texts: tuple[str, str] | None
    language: str
    message_key: str
    written_at: datetime


def take(work: UnitOfWork, holder: str) -> list[int]:
    """Lease a few mails that are due, the longest due first."""
    due = QueuedEmail.next_try_at <= utcnow()
    return leases.take(
        work, QueuedEmail, due, holder=holder, seconds=LEASE_S, limit=BATCH,
        order_by=QueuedEmail.next_try_at,
    )  # fmt: skip


def look(work: UnitOfWork, mail_id: int, holder: str) -> Outgoing | None:
    """What a leased mail says; None when the holder may not send it, or not for long enough."""
    row = work.get(QueuedEmail, mail_id, populate_existing=True)
    if row is None or row.state != WAITING or row.leased_by != holder or row.leased_until is None:
        return None
    if row.leased_until - utcnow() < timedelta(seconds=CONVERSATION_S):
        return None
    return Outgoing(row.id, row.to, row.subject, row.texts(), row.language, row.message_key, row.queued_at)


def mark_sent(work: UnitOfWork, mail_id: int) -> None:
    """A server has taken it: that is so, whatever has become of the row meanwhile."""
    if (row := _row(work, mail_id)) is not None:
        row.finish(SENT)
        row.sent_at, row.attempts = utcnow(), row.attempts + 1
        row.last_error, row.failing_since = "", None


def put_off(work: UnitOfWork, mail_id: int, reason: str) -> None:
    """Try it again later, after pauses that double; for good only when it has failed for three days."""
    row = _row(work, mail_id)
    if row is None or row.state != WAITING:
        return
    now = utcnow()
    row.attempts, row.last_error = row.attempts + 1, reason
    row.failing_since = row.failing_since or now
    row.leased_by, row.leased_until = "", None
    row.next_try_at = next_try(now, row.attempts)
    if now - row.failing_since >= PATIENCE:
        row.finish(FAILED)


def fail(work: UnitOfWork, mail_id: int, reason: str) -> None:
    """It will never be taken."""
    row = _row(work, mail_id)
    if row is not None and row.state == WAITING:
        row.attempts, row.last_error = row.attempts + 1, reason
        row.finish(FAILED)


def hand_back(work: UnitOfWork, mail_ids: Iterable[int], holder: str) -> None:
    """Let others have them, at once."""
    leases.release(work, QueuedEmail, mail_ids, holder=holder)


def trouble_of(work: UnitOfWork, server: str) -> ServerTrouble | None:
    """The trouble that this server is known to be in."""
    found = work.scalar(select(ServerTrouble).execution_options(populate_existing=True))
    return found if found is not None and found.server == server else None


def server_failed(work: UnitOfWork, server: str, reason: str, mail_ids: Iterable[int]) -> None:
    """Let all that waits wait, after pauses that double; note the try on the mails that were in hand.

    What another worker has found out meanwhile is the same trouble, not a second one.
    """
    now = utcnow()
    known = trouble_of(work, server)
    if known is None:
        _first_trouble(work, server, reason, now)
    elif known.next_try_at <= now:
        known.failures, known.reason = known.failures + 1, reason
        known.next_try_at = next_try(now, known.failures)
    tried = update(QueuedEmail).where(QueuedEmail.id.in_(list(mail_ids)), QueuedEmail.state == WAITING)
    work.execute(tried.values(attempts=QueuedEmail.attempts + 1, last_error=reason))


def server_is_well(work: UnitOfWork) -> None:
    """Forget its trouble."""
    work.execute(delete(ServerTrouble))


def give_up_piece(work: UnitOfWork, server: str) -> int:
    """Fail what a server in trouble has kept waiting for three days, at most ``PIECE``; return how many."""
    trouble, before = trouble_of(work, server), utcnow() - PATIENCE
    if trouble is None or trouble.since > before:
        return 0
    in_hand = QueuedEmail.leased_until > utcnow()
    oldest = (
        select(QueuedEmail)
        .where(QueuedEmail.next_try_at <= before, in_hand.isnot(True))
        .order_by(QueuedEmail.next_try_at)
        .limit(PIECE)
        .options(*TEXTLESS)
        .with_for_update(skip_locked=True)
    )
    rows = work.scalars(oldest).all()
    for row in rows:
        row.last_error = trouble.reason
        row.finish(FAILED)
    return len(rows)


def next_try(now: datetime, failures: int) -> datetime:
    """When to try again after so many failures in a row.

    On the full minute, when the pump looks: the first time is less than a minute away.
    """
    pause = min(SHORTEST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
    return (now + pause).replace(second=0, microsecond=0)


def _first_trouble(work: UnitOfWork, server: str, reason: str, now: datetime) -> None:
    work.execute(delete(ServerTrouble))
    dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
    found = {"server": server, "failures": 1, "since": now, "next_try_at": next_try(now, 1), "reason": reason}
    # Two workers may find out at once.
    work.execute(dialect.insert(ServerTrouble).values(id=1, **found).on_conflict_do_nothing())


def _row(work: UnitOfWork, mail_id: int) -> QueuedEmail | None:
    return work.get(QueuedEmail, mail_id, options=TEXTLESS, populate_existing=True, with_for_update=True)
