"""The clock of jobs, to be moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


class Clock:
    """Stands still until it is told to move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)
        for module in ("board", "ledger", "presence", "rounds"):
            monkeypatch.setattr(f"app.jobs.{module}.utcnow", lambda: self.now)

    def advance(self, **span: float) -> None:
        """Let time pass: seconds, minutes, days."""
        self.now += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
