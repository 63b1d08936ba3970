"""What a batch of the journal is given and what it tells: settings, needs, news."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """What the rules must know of the installation."""

    heartbeat_interval_s: int = 300
    require_rfid: bool = False
    # Of the site's days; empty: the system's.
    time_zone: str = ""


@dataclass(slots=True)
class Needs:
    """What an operation will ask for, so that a batch can read it at once. Asking for more is allowed."""

    charger: int | None = None
    id_tag: str | None = None
    # The charger's running transactions.
    running: bool = False
    # It may begin a transaction, on ``id_tag``.
    start: bool = False
    # charger_id of one at the door.
    knocking: str = ""


@dataclass(slots=True)
class News:
    """What others must know once a batch is durable."""

    # Chargers (by charger_id) whose state people look at has changed.
    changed: set[str] = field(default_factory=set)
    # (charger_id, transaction's id) of what runs on an account whose credit is gone.
    exhausted: set[tuple[str, int]] = field(default_factory=set)

    def add(self, more: News) -> None:
        """Learn this too."""
        self.changed |= more.changed
        self.exhausted |= more.exhausted
