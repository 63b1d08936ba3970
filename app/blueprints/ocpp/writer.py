"""Writes batches for the journal: takes what waits, runs it in one transaction, commits, tells.

A batch that fails is rolled back and run again with a savepoint each, so that one bad operation does not
cost the others. A connection that breaks costs nothing either, unless it breaks in the commit itself: then
nobody knows whether that took place, and running it again could store everything twice. Such operations are
told that they failed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app import disk, logs
from app.blueprints.ocpp.batch import (
    Operation,
    Outcome,
    Way,
    carefully,
    may_be_committed,
    one_by_one,
    passing,
    together,
)
from app.blueprints.ocpp.tally import Tally
from app.blueprints.ocpp.terms import News, Settings
from app.blueprints.ocpp.work import StartKnown
from app.db import is_busy, is_full, write_lock

log = logging.getLogger(__name__)

# Of a process, on PostgreSQL.
WRITERS = 2
# Operations in one transaction at the most: a longer one would make everybody wait.
MAX_BATCH = 500
# From so many on, two writers share what waits.
MANY = 8
# How often a batch is begun again when the database, not an operation, was the trouble.
MAX_TRIES = 3
# How long messages wait for a database that is gone before they fail: about as long as chargers wait.
PATIENCE_S = 60.0
# Seconds between two attempts to store something on a full disk.
FULL_PAUSE_S = 0.5


class CommitUnknown(Exception):
    """The connection broke during a commit: what was in it may be stored, or not."""


class Away(Exception):
    """The database has been away, or its disk full, for longer than anybody waits."""


class Desk:
    """What the writers of one journal share: what waits, and how long the database may be gone."""

    def __init__(self, engine: Engine, settings: Settings, on_commit: Callable[[News], None]) -> None:
        self.engine, self.settings, self.on_commit = engine, settings, on_commit
        self.sqlite = engine.dialect.name == "sqlite"
        self.tally = Tally()
        self.waiting: deque[Operation] = deque()
        self.wake = threading.Event()
        # Of whoever reads and decides; writing and committing, a batch no longer has it.
        self.turn = threading.Lock()
        # Writers that are not writing.
        self.free = 1 if self.sqlite else WRITERS
        self.stopping = False
        self._trouble_since: float | None = None

    def take(self) -> list[Operation]:
        """The next batch. What is much is shared with a writer that has nothing to do."""
        count = len(self.waiting)
        if count >= MANY and self.free > 1:
            count = (count + 1) // 2
        batch: list[Operation] = []
        with suppress(IndexError):  # who gives up on a database that is away takes without having the turn
            while len(batch) < min(count, MAX_BATCH):
                batch.append(self.waiting.popleft())
        return batch

    def endure(self, error: Exception) -> None:
        """Return where waiting makes sense. Raises ``Away``, after a while to whoever comes."""
        since = self._trouble_since = self._trouble_since or time.monotonic()
        if self.stopping or time.monotonic() - since > PATIENCE_S:
            raise Away(_short(error)) from error

    def relax(self) -> None:
        """The database is there again."""
        self._trouble_since = None


class Writer:
    """One connection, and the thread that writes on it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._connection: Connection | None = None

    def run(self) -> None:
        """Serve what waits, until the journal is stopped."""
        logs.active.domain = "ocpp"
        desk = self._desk
        while True:
            desk.wake.wait()
            if not desk.stopping:
                desk.wake.clear()
            while desk.waiting:
                self._serve()
            if desk.stopping:
                self._forget_connection()
                return

    def _serve(self) -> None:
        """One batch, if another writer has not taken it meanwhile."""
        batch = _Batch()
        try:
            outcomes, news = self._write(batch)
        except Exception as error:  # the journal must outlive any batch
            if not batch.operations:  # they have waited for a database that did not come
                batch.take(self._desk)
            log.exception("a batch of %d was not stored", len(batch.operations), exc_info=error)
            outcomes, news = [Outcome(error=error)] * len(batch.operations), News()
        if not batch.operations:
            return
        self._desk.tally.batch(len(batch.operations), time.perf_counter() - batch.began)
        for operation, outcome in zip(batch.operations, outcomes, strict=True):
            if outcome.error is None:
                _tell(operation.done, outcome.result)
            else:
                _tell(operation.failed, outcome.error)
        _tell(self._desk.on_commit, news)

    def _write(self, batch: _Batch) -> tuple[list[Outcome], News]:
        """Run and commit: all at once; one by one when an operation fails; again when the database did."""
        way, tries = together, 1
        while True:
            try:
                with self._single_writer():
                    return self._attempt(batch, way)
            except (CommitUnknown, Away):
                raise
            except StartKnown:  # no trouble, and never twice
                way = carefully
            except Exception as error:  # whatever a rule or the driver raises: the others have another chance
                if is_full(error):
                    self._wait_for_room(error)
                    continue
                if tries == MAX_TRIES:
                    raise
                log.warning("a batch of %d is run again: %s", len(batch.operations), _short(error))
                way, tries = way if passing(error) else one_by_one, tries + 1

    def _single_writer(self) -> AbstractContextManager[Any]:
        return write_lock if self._desk.sqlite else nullcontext()

    def _attempt(self, batch: _Batch, way: Way) -> tuple[list[Outcome], News]:
        try:
            with self._desk.turn:
                if not batch.operations and not self._desk.waiting:
                    return [], News()
                connection = self._begin()
                if not batch.operations:
                    batch.take(self._desk)
                flush = way(batch.operations, connection, self._desk.settings)
                self._desk.free -= 1
            try:
                outcomes, news = flush()
                self._commit(connection)
            finally:
                self._desk.free += 1
        except CommitUnknown:
            raise
        except BaseException:  # also what ends the thread: nothing half done stays on the connection
            self._roll_back()
            raise
        self._desk.relax()
        disk.notes.stored()
        return outcomes, news

    def _commit(self, connection: Connection) -> None:
        try:
            _commit_aside(connection)
        except BaseException as error:  # also what ends the thread: nobody may go on with this connection
            self._forget_connection()
            if may_be_committed(error):
                raise CommitUnknown(_short(error)) from error
            raise

    def _begin(self) -> Connection:
        """A transaction, however long another process writes. Raises when the database stays away."""
        pause = 0.001
        while True:
            try:
                return self._connected()
            except SQLAlchemyError as error:
                self._forget_connection()
                if is_full(error):
                    disk.notes.full(error)
                if not (self._desk.sqlite and is_busy(error)) or self._desk.stopping:
                    self._desk.endure(error)
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._desk.engine.connect().execution_options(writing=True)
        self._connection.begin()
        return self._connection

    def _wait_for_room(self, error: Exception) -> None:
        """The disk is full: as for a database that is away, wait, or fail when that takes too long."""
        disk.notes.full(error)
        self._desk.endure(error)
        time.sleep(FULL_PAUSE_S)

    def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
        except Exception:  # a dead connection: the next batch makes a new one
            self._forget_connection()

    def _forget_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except Exception:  # it is being thrown away
            log.debug("closing the journal's connection failed")


class _Batch:
    """Operations that go together, from the moment they were taken."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.began = 0.0

    def take(self, desk: Desk) -> None:
        """Take what waits now."""
        self.operations, self.began = desk.take(), time.perf_counter()


def _commit_aside(connection: Connection) -> None:
    """Commit; where waiting for the disk would stop every greenlet, wait in a real thread."""
    if connection.dialect.name == "sqlite" and _gevent_patched():
        from gevent import get_hub

        get_hub().threadpool.apply(connection.commit)
    else:
        connection.commit()


def _gevent_patched() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))


def _tell(listener: Callable[[Any], None], outcome: Any) -> None:
    try:
        listener(outcome)
    except Exception as error:  # one listener's trouble is not the others'
        log.exception("an operation's listener failed", exc_info=error)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"
