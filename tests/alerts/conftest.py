"""A site whose clock can be moved, and whose letters are collected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import mail
from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.models import Charger
from app.db import unit_of_work
from app.domain_error import DomainError
from app.jobs import presence
from tests.factories import UserFactory


class Installation:
    """A site whose clock can be moved, whose web process lives, and whose letters are collected."""

    def __init__(self, monkeypatch):
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)
        self.web = presence.Me(presence.WEB)
        self.letters = []
        for module in ("app.blueprints.ocpp.tasks", "app.jobs.presence", "app.blueprints.ocpp.admin.alerts"):
            monkeypatch.setattr(f"{module}.utcnow", lambda: self.now)
        monkeypatch.setattr(mail, "queue", self._queue)
        monkeypatch.setattr(presence, "DEAD_AFTER_S", 601.0)  # it says that it lives in longer steps here

    def _queue(self, work, letter):
        if "@" not in letter.to:
            raise DomainError("this is no address")
        self.letters.append(letter)
        return len(self.letters)

    def listen(self):
        """The web process says that it lives."""
        with unit_of_work() as work:
            presence.tell(work, self.web)

    def pass_time(self, minutes, listening=True):
        """Let time pass, looked at now and then and at its end."""
        end = self.now + timedelta(minutes=minutes)
        while self.now < end:
            self.now = min(end, self.now + timedelta(minutes=1 if minutes < 5 else 8))
            if listening:
                self.listen()
                tasks.check_chargers()

    def hear(self, *chargers):
        """Chargers speak."""
        with unit_of_work() as work:
            for charger in chargers:
                work.get(Charger, charger.id).last_seen = self.now

    def report(self, connector, status, error_code="NoError", **columns):
        with unit_of_work() as work:
            row = work.merge(connector, load=True)
            row.status, row.error_code, row.since = status, error_code, self.now
            for name, value in columns.items():
                setattr(row, name, value)


@pytest.fixture
def token(app):
    """Headers with an API token."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}


@pytest.fixture
def place(app, work, monkeypatch):
    app.config["SMTP_HOST"] = "mail.example.com"
    place = Installation(monkeypatch)
    UserFactory(username="boss", email="boss@example.com", is_staff=True)
    work.commit()
    place.listen()
    return place
