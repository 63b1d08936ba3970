"""Fixtures of the mailer's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import mail
from app.blueprints.mailer import delivery
from app.mail import Letter
from tests.mailer.smtp_server import smtp_server


@pytest.fixture
def server(app):
    """A mail server that the application knows."""
    with smtp_server() as server:
        app.config.update(SMTP_HOST="127.0.0.1", SMTP_PORT=server.port, MAIL_FROM="depot@example.com")
        yield server


@pytest.fixture
def queue(work):
    """Queue mails: ``queue("a@example.com", subject=…, body=…)``; returns their numbers."""

    def put(*to, subject="Hello", body="Good day.", **letter):
        ids = [mail.queue(work, Letter(each, "plain", subject, body, **letter)) for each in to]
        work.commit()
        return ids

    return put


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    """Nobody waits for half a minute here."""
    monkeypatch.setattr("app.blueprints.mailer.smtp.CONNECT_S", 1.0)
    monkeypatch.setattr("app.blueprints.mailer.smtp.ANSWER_S", 1.0)
    delivery.stopping.clear()


class Clock:
    """What time it is for the mailer."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def forward(self, **span):
        """Let time pass: ``forward(minutes=5)``."""
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still at half past eight and ten seconds, until it is set forward."""
    clock = Clock(datetime(2026, 1, 31, 8, 30, 10, tzinfo=UTC))
    for module in ("app.leases", "app.blueprints.mailer.delivery", "app.blueprints.mailer.models"):
        monkeypatch.setattr(f"{module}.utcnow", clock)
    for module in ("sending", "queueing"):
        monkeypatch.setattr(f"app.blueprints.mailer.services.{module}.utcnow", clock)
    return clock
