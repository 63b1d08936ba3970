"""Fixtures of the accounts tests."""

from __future__ import annotations

import pytest

from app import mail
from app.blueprints.accounts import password_views
from app.domain_error import DomainError


@pytest.fixture
def act(staff):
    """Run an action on rows, as the list's form does."""

    def run(screen, name, *rows):
        data = {"action": name, "rowid": [str(row.id) for row in rows]}
        return staff.submit(f"/admin/{screen}/action/", data, follow_redirects=True)

    return run


@pytest.fixture
def letters(app, monkeypatch):
    """A mail queue that keeps what is put into it; letters to addresses that are none are refused."""
    queued = []

    def queue(_work, letter):
        if "@" not in letter.to:
            raise DomainError("this is no email address")
        queued.append(letter)
        return len(queued)

    monkeypatch.setattr(mail, "queue", queue)
    return queued


@pytest.fixture
def quick(monkeypatch):
    """Whoever has forgotten a password is answered at once."""
    monkeypatch.setattr(password_views, "EVEN_S", 0.0)
