"""Templates, the queue of mails, and the trouble that the mail server is in."""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.at_rest import EncryptedText
from app.clock import utcnow
from app.db import Base, Timestamp, UTCDateTime
from app.leases import Leased

WAITING, SENT, FAILED, CANCELLED = STATES = ("waiting", "sent", "failed", "cancelled")
# Of a template's name, and of a subject.
LONGEST_NAME, LONGEST_SUBJECT = 100, 255


class EmailTemplate(Base):
    """A mail with placeholders. One named ``<name>.<language>`` is for readers of that language."""

    __tablename__ = "email_template"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME), unique=True)
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    body: Mapped[str] = mapped_column(Text)
    # The same in HTML; empty: mails have plain text alone.
    html: Mapped[str] = mapped_column(Text, default="")

    def __str__(self) -> str:
        return self.name


class QueuedEmail(Leased, Base):
    """One mail, rendered when it was queued: what is sent later can no longer go wrong.

    A private one has its text in ``secret_text`` alone, encrypted, for as long as it waits.
    """

    __tablename__ = "queued_email"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        CheckConstraint("(state = 'waiting') = (next_try_at IS NOT NULL)", name="waits_until"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        # What is due: it holds the waiting ones alone, so that the sent ones cost the pump nothing.
        Index(
            "ix_queued_email_due", "next_try_at", "id",
            sqlite_where=text("next_try_at IS NOT NULL"), postgresql_where=text("next_try_at IS NOT NULL"),
        ),
        Index("ix_queued_email_state", "state", "id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str] = mapped_column(String(320))
    # The name of what it was written from: the template may have changed, or be gone.
    template: Mapped[str] = mapped_column(String(LONGEST_NAME))
    # What its placeholders were filled with.
    context: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    language: Mapped[str] = mapped_column(String(5), default="")
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    body: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")
    private: Mapped[bool] = mapped_column(default=False)
    secret_text: Mapped[str | None] = mapped_column(EncryptedText, default="")
    # The left half of its Message-ID: the same at each try, so that receivers can fold duplicates.
    message_key: Mapped[str] = mapped_column(String(32), default=lambda: secrets.token_hex(16), unique=True)
    queued_at: Mapped[Timestamp] = mapped_column(default=utcnow)
    state: Mapped[str] = mapped_column(String(10), default=WAITING)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    # Of the failures in a row, the first; None after a success.
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Set exactly while it waits.
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def sent(self) -> bool:
        """Whether a mail server has taken it."""
        return self.state == SENT

    @property
    def in_hand(self) -> bool:
        """Whether a worker is just sending it."""
        return self.state == WAITING and self.leased_until is not None and self.leased_until > utcnow()

    @property
    def wiped(self) -> bool:
        """Whether its text is gone for good."""
        return self.private and not self.secret_text

    def seal(self) -> None:
        """Hide the text of a private mail."""
        self.secret_text = json.dumps([self.body, self.html])
        self.private, self.body, self.html, self.context = True, "", "", {}

    def texts(self) -> tuple[str, str] | None:
        """Plain text and HTML, as they are sent; None when they are gone."""
        if not self.private:
            return self.body, self.html
        if not self.secret_text:
            return None
        body, html = json.loads(self.secret_text)
        return body, html

    def finish(self, state: str) -> None:
        """Take it out of what waits."""
        self.state, self.next_try_at = state, None
        self.leased_by, self.leased_until = "", None
        if self.private:
            self.secret_text = ""

    def __str__(self) -> str:
        return f"#{self.id}"


class ServerTrouble(Base):
    """Why no mail is sent just now. One row while the mail server is in trouble, none while it is well.

    All that waits waits for this one time: a server that is down is asked once, not once for each mail.
    """

    __tablename__ = "mail_server_trouble"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Whose trouble: host and port. Another server that staff have set meanwhile is tried at once.
    server: Mapped[str] = mapped_column(String(300))
    failures: Mapped[int]
    since: Mapped[Timestamp]
    next_try_at: Mapped[Timestamp]
    reason: Mapped[str] = mapped_column(Text)
