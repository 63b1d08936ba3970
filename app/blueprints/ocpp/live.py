"""What has changed, for pages that follow: at most once a second, from any process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import current_app

from app.blueprints.ocpp.bus import Bus

INTERVAL_S = 1.0
KEEP_ALIVE_S = 15.0
TOPIC = "changed"


class Follower:
    """One page that follows: the chargers that changed since it last looked; None: nobody knows which."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: set[str] | None = set()
        self.wake = threading.Event()

    def tell(self, charger_ids: set[str] | None) -> None:
        """Add what changed."""
        with self._lock:
            if charger_ids is None or self._changed is None:
                self._changed = None
            else:
                self._changed = self._changed | charger_ids
        self.wake.set()

    def take(self) -> set[str] | None:
        """What changed since the last time."""
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed


class Live:
    """Collects changes and hands them to every follower of this process."""

    def __init__(self, bus: Bus | None) -> None:
        self._bus = bus
        self._followers: set[Follower] = set()
        self._outbox: set[str] = set()
        self._lock = threading.Lock()
        self._publisher: threading.Thread | None = None

    def touch(self, charger_ids: set[str]) -> None:
        """These chargers changed, in this process."""
        if not charger_ids:
            return
        self._tell(charger_ids)
        if self._bus is not None:
            with self._lock:
                self._outbox |= charger_ids
                if self._publisher is None:
                    self._publisher = threading.Thread(target=self._publish, name="live", daemon=True)
                    self._publisher.start()

    def heard(self, message: dict[str, Any]) -> None:
        """These chargers changed, in another process."""
        self._tell(set(message.get("chargers", ())))

    def missed(self) -> None:
        """Something may have changed that nobody told: followers look at everything again."""
        self._tell(None)

    def changes(self, patience_s: float = KEEP_ALIVE_S) -> Iterator[set[str] | None]:
        """What changed, at most once a second: charger ids, or None when nobody knows which.

        An empty set after ``patience_s`` seconds without news keeps the line alive.
        """
        follower = Follower()
        with self._lock:
            self._followers.add(follower)
        try:
            while True:
                if follower.wake.wait(patience_s):
                    time.sleep(INTERVAL_S / 4)  # what comes together goes together
                follower.wake.clear()
                yield follower.take()
                time.sleep(INTERVAL_S * 3 / 4)
        finally:
            with self._lock:
                self._followers.discard(follower)

    def __len__(self) -> int:
        return len(self._followers)

    def _tell(self, charger_ids: set[str] | None) -> None:
        if not self._followers:
            return
        with self._lock:
            followers = list(self._followers)
        for follower in followers:
            follower.tell(charger_ids)

    def _publish(self) -> None:
        while True:
            time.sleep(INTERVAL_S / 2)
            with self._lock:
                changed, self._outbox = self._outbox, set()
            if changed and self._bus is not None:
                self._bus.broadcast(TOPIC, {"chargers": sorted(changed)})


def changes(patience_s: float = KEEP_ALIVE_S) -> Iterator[set[str] | None]:
    """Follow the changes of this installation."""
    found: Live = current_app.extensions["ocpp"].live
    return found.changes(patience_s)


def followers() -> int:
    """How many pages follow on this process."""
    return len(current_app.extensions["ocpp"].live)
