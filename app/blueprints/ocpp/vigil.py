"""A web process says that chargers can reach it, and whom it hears though they say nothing.

Whoever judges that a charger has fallen silent needs both: silence means nothing while nobody listens, and a
charger that only answers pings is there. Told through the journal, which waits for no disk in this process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.registry import Registry
from app.blueprints.ocpp.terms import Needs
from app.blueprints.ocpp.work import Work
from app.jobs import presence

log = logging.getLogger(__name__)

# A connected charger that has said nothing for so long, which is more than the usual heartbeat, is noted.
QUIET = timedelta(minutes=6)
# Signs of life between two looks for such chargers.
EVERY = 4
CHARGERS_AT_ONCE = 1000
HEARD = "UPDATE charger SET last_seen = ? WHERE last_seen < ? AND id = ANY(?)"


class Vigil:
    """One web process's."""

    def __init__(self, journal: Journal, registry: Registry) -> None:
        self._journal, self._registry = journal, registry
        self._me = presence.Me(presence.WEB)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_waiting = False

    def start(self) -> None:
        """Begin to say that this process lives. Safe to call twice."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="vigil", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """This process ends."""
        if self._thread is not None and not self._ended.is_set():
            self._ended.set()
            self._submit(lambda work: presence.leave(work.db.connection, self._me))

    def _watch(self) -> None:
        rounds = 0
        while True:
            if not self._is_waiting:  # else the database is away, and the last sign has not been taken yet
                self._submit(lambda work: presence.tell(work.db.connection, self._me))
                if rounds % EVERY == 0:
                    self._note_the_quiet()
                rounds += 1
            if self._ended.wait(presence.TELL_S):
                return

    def _note_the_quiet(self) -> None:
        keys = sorted(connection.key for connection in self._registry.all().values())
        for start in range(0, len(keys), CHARGERS_AT_ONCE):
            chunk = keys[start : start + CHARGERS_AT_ONCE]
            self._submit(lambda work, chunk=chunk: note_heard(work, chunk))  # type: ignore[misc]

    def _submit(self, function: Callable[[Work], None]) -> None:
        self._is_waiting = True
        self._journal.submit(_Note(function, self._taken))

    def _taken(self) -> None:
        self._is_waiting = False


def note_heard(work: Work, keys: list[int]) -> None:
    """These chargers are connected: those that have not spoken for a while are heard of all the same."""
    before = work.db.stored(work.now - QUIET)
    work.db.run(HEARD, (work.stored_now, before, work.db.members(keys)))


class _Note:
    """An operation of the journal that nobody waits for."""

    def __init__(self, function: Callable[[Work], None], taken: Callable[[], None]) -> None:
        self.needs = Needs()
        self._function, self._taken = function, taken

    def run(self, work: Work) -> None:
        self._function(work)

    def done(self, _result: None) -> None:
        self._taken()

    def failed(self, error: BaseException) -> None:
        self._taken()
        log.warning("this process could not say that it lives: %s", type(error).__name__)
