"""Which charge points are connected to this process, and the clock that keeps their sockets honest."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from app.blueprints.ocpp.line import GOING_AWAY, LINGER_S, Line, LineClosed
from app.blueprints.ocpp.session import Session

log = logging.getLogger(__name__)

# How long an old socket has to answer a ping before a newcomer from elsewhere takes its place.
PROBE_S = 3.0
# How long chargers may take to hang up when the process ends.
HURRIED_S = 1.0
TICK_S = 1.0
REPLACED = 1000
RESTART = "the central system restarts"


@dataclass(frozen=True)
class Connection:
    """A charge point on this process."""

    charger_id: str
    key: int
    session: Session
    line: Line
    address: str
    since: datetime


class Full(Exception):
    """No more sockets: for this process, or for this address."""


class Registry:
    """The connections of one process, by charger_id; the newest of an id serves."""

    def __init__(self, max_chargers: int, max_per_address: int, ping_interval_s: float) -> None:
        self._max, self._max_per_address = max_chargers, max_per_address
        self._ping_interval_s = ping_interval_s
        self._connections: dict[str, Connection] = {}
        self._addresses: Counter[str] = Counter()
        self._lines: set[Line] = set()
        self._lock = threading.Lock()
        self._clock: threading.Thread | None = None
        self.on_change: Callable[[str], None] = lambda _charger_id: None
        self.closing = False

    def find(self, charger_id: str) -> Connection | None:
        """The open connection of a charge point, if this process holds it."""
        found = self._connections.get(charger_id)
        return found if found is not None and found.line.open else None

    def all(self) -> dict[str, Connection]:
        """Every open connection, by charger_id."""
        return {id: held for id, held in self._connections.copy().items() if held.line.open}

    def __len__(self) -> int:
        return len(self._connections)

    def check_room(self, address: str, charger_id: str) -> None:
        """Raise ``Full`` when one more socket would be too many. A reconnect takes its own place."""
        if charger_id in self._connections:
            return
        if len(self._connections) >= self._max:
            raise Full
        if self._max_per_address and self._addresses[address] >= self._max_per_address:
            raise Full

    def answers(self, charger_id: str) -> bool:
        """Whether the charge point's present socket answers a ping."""
        connection = self.find(charger_id)
        if connection is None:
            return False
        asked_at = time.monotonic()
        try:
            connection.line.ping()
        except LineClosed:
            return False
        while time.monotonic() - asked_at < PROBE_S:
            if connection.line.heard_at > asked_at:
                return True
            time.sleep(0.02)
        return False

    @contextmanager
    def connected(self, connection: Connection) -> Iterator[None]:
        """Hold a connection while its session runs; a predecessor of the same id is closed."""
        charger_id = connection.charger_id
        with self._lock:
            old = self._connections.get(charger_id)
            self._connections[charger_id] = connection
            self._addresses[connection.address] += 1
            self._lines.add(connection.line)
            self._start_clock()
        if old is not None:
            self.retire(old)
        if self.closing:  # it was admitted just before
            connection.line.close(GOING_AWAY, RESTART)
        try:
            self.on_change(charger_id)
            yield
        finally:
            self._forget(connection)

    def close_all(self) -> None:
        """The process ends: chargers may come back at once (1001)."""
        self.closing = True
        for line in list(self._lines):
            line.close(GOING_AWAY, RESTART)

    def hang_up(self) -> None:
        """The process ends: who has not hung up after our goodbye is hung up on."""
        deadline = time.monotonic() + HURRIED_S
        while self._lines and time.monotonic() < deadline:
            time.sleep(0.05)
        for line in list(self._lines):
            line.abort()

    def retire(self, connection: Connection) -> None:
        """End a connection whose charge point has a newer one, here or on another process."""
        connection.line.close(REPLACED, "a newer connection of this charge point took over")
        connection.session.end()

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._lines.discard(connection.line)
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]
            current = self._connections.get(connection.charger_id) is connection
            if current:
                del self._connections[connection.charger_id]
        if current:
            self.on_change(connection.charger_id)

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = threading.Thread(target=self._tick, name="line clock", daemon=True)
            self._clock.start()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_S)
            now = time.monotonic()
            for line in list(self._lines):
                try:
                    self._look_after(line, now)
                except Exception:  # one line's trouble must not stop the clock of all
                    log.exception("a line could not be looked after")

    def _look_after(self, line: Line, now: float) -> None:
        """Ping the quiet, hang up on the dead and on those who do not take a goodbye."""
        if not line.open:
            if line.closed_at and now - line.closed_at > LINGER_S:
                line.abort()
            return
        if line.pinged_at and now - line.pinged_at > self._ping_interval_s:
            line.abort()
        elif not line.pinged_at and now - line.heard_at > self._ping_interval_s:
            try:
                line.ping()
            except LineClosed:
                log.debug("a quiet line was closed already")
