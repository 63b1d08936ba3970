"""Group commit: operations of many chargers, one transaction; answers leave only after it is durable.

The journal takes everything that waits, runs it, commits, and then tells each operation its outcome. One bad
operation does not cost the others: a batch that fails is rolled back and run again with a savepoint each. A
connection that breaks costs nothing either, unless it breaks in the commit itself: then nobody knows whether
that took place, and running it again could store everything twice. Such operations are told that they failed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

from flask import current_app
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app import disk, logs
from app.blueprints.ocpp.batch import Operation, Outcome, Way, may_be_committed, one_by_one, passing, together
from app.blueprints.ocpp.tally import Tally
from app.blueprints.ocpp.terms import Needs, News, Settings
from app.blueprints.ocpp.work import Work
from app.db import is_busy, is_full, write_lock

log = logging.getLogger(__name__)

# Operations in one transaction at the most: a longer one would make everybody wait.
MAX_BATCH = 500
# How often a batch is begun again when the database, not an operation, was the trouble.
MAX_TRIES = 3
# How long messages wait for a database that is gone before they fail: about as long as chargers wait.
PATIENCE_S = 60.0
# Seconds between two attempts to store something on a full disk.
FULL_PAUSE_S = 0.5

T = TypeVar("T")


class CommitUnknown(Exception):
    """The connection broke during a commit: what was in it may be stored, or not."""


class Journal:
    """The one writer of a process's message path."""

    def __init__(
        self, engine: Engine, settings: Settings, on_commit: Callable[[News], None] = lambda _news: None
    ) -> None:
        self.tally = Tally()
        self._engine = engine
        self._settings = settings
        self._on_commit = on_commit
        self._waiting: deque[Operation] = deque()
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._connection: Connection | None = None
        self._away_since: float | None = None
        self._full_since: float | None = None

    @property
    def waiting(self) -> int:
        """How many operations wait for their batch."""
        return len(self._waiting)

    def submit(self, operation: Operation) -> None:
        """Queue an operation; ``done`` or ``failed`` is called later, from the journal's own thread."""
        self._waiting.append(operation)
        self._wake.set()
        if self._thread is None:
            self._start()

    def perform(self, function: Callable[[Work], T], needs: Needs | None = None) -> T:
        """Run a function in the next batch; return its result when it is durable, or raise what it raised."""
        call = _Call(function, needs or Needs())
        self.submit(call)
        return call.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what waits. What comes later is served as well, as long as the process lives."""
        self._stopping = True
        self._wake.set()
        if (thread := self._thread) is not None:
            thread.join(timeout_s)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        logs.active.domain = "ocpp"
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), MAX_BATCH)
                self._serve([self._waiting.popleft() for _ in range(count)])
            if self._stopping:
                self._forget_connection()
                self._thread = None
                if self._waiting:  # submitted just before that
                    self._start()
                return

    def _serve(self, operations: list[Operation]) -> None:
        began = time.perf_counter()
        try:
            outcomes, news = self._write(operations)
        except Exception as error:  # the journal must outlive any batch
            log.exception("a batch of %d was not stored", len(operations), exc_info=error)
            outcomes, news = [Outcome(error=error)] * len(operations), News()
        self.tally.batch(len(operations), time.perf_counter() - began)
        for operation, outcome in zip(operations, outcomes, strict=True):
            if outcome.error is None:
                _tell(operation.done, outcome.result)
            else:
                _tell(operation.failed, outcome.error)
        _tell(self._on_commit, news)

    def _single_writer(self) -> AbstractContextManager[Any]:
        return write_lock if self._engine.dialect.name == "sqlite" else nullcontext()

    def _write(self, operations: list[Operation]) -> tuple[list[Outcome], News]:
        """Run and commit: all at once; one by one when an operation fails; again when the database did."""
        way, tries = together, 1
        while True:
            try:
                with self._single_writer():
                    return self._attempt(operations, way)
            except (CommitUnknown, _Away):
                raise
            except Exception as error:  # whatever a rule or the driver raises: the others have another chance
                if is_full(error):
                    self._wait_for_room(error)
                    continue
                if tries == MAX_TRIES:
                    raise
                log.warning("a batch of %d is run again: %s", len(operations), _short(error))
                way, tries = way if passing(error) else one_by_one, tries + 1

    def _attempt(self, operations: list[Operation], way: Way) -> tuple[list[Outcome], News]:
        connection = self._begin()
        try:
            outcomes, news = way(operations, connection, self._settings)
        except BaseException:
            self._roll_back()
            raise
        try:
            _commit_aside(connection)
        except BaseException as error:
            self._forget_connection()
            if may_be_committed(error):
                raise CommitUnknown(_short(error)) from error
            raise
        self._full_since = None
        disk.notes.stored()
        return outcomes, news

    def _begin(self) -> Connection:
        """A transaction, however long another process writes. Raises when the database stays away."""
        pause = 0.001
        while True:
            try:
                connection = self._connected()
                self._away_since = None
                return connection
            except SQLAlchemyError as error:
                self._forget_connection()
                if is_full(error):
                    disk.notes.full(error)
                self._check_patience(error)
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(writing=True)
        self._connection.begin()
        if self._engine.dialect.name != "sqlite":
            self._connection.exec_driver_sql("SELECT 1")  # a dead one is found here, where nothing is lost
        return self._connection

    def _check_patience(self, error: SQLAlchemyError) -> None:
        """Wait on, or fail: together all that waited since the database went, and then at once what comes."""
        is_sqlite = self._engine.dialect.name == "sqlite"
        if is_sqlite and is_busy(error) and not self._stopping:  # another process writes; it will end
            return
        self._away_since = self._away_since or time.monotonic()
        if self._stopping or time.monotonic() - self._away_since > PATIENCE_S:
            raise _Away(_short(error)) from error

    def _wait_for_room(self, error: Exception) -> None:
        """The disk is full: as for a database that is away, wait, or fail when that takes too long."""
        disk.notes.full(error)
        self._full_since = self._full_since or time.monotonic()
        if self._stopping or time.monotonic() - self._full_since > PATIENCE_S:
            raise _Away(_short(error)) from error
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


class _Away(Exception):
    """The database has been away for longer than anybody waits."""


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


class _Call(Generic[T]):
    """A function run by ``perform``, with somebody waiting for it."""

    def __init__(self, function: Callable[[Work], T], needs: Needs) -> None:
        self.needs = needs
        self._function = function
        self._event = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, work: Work) -> T:
        return self._function(work)

    def done(self, result: T) -> None:
        self._result = result
        self._event.set()

    def failed(self, error: BaseException) -> None:
        self._error = error
        self._event.set()

    def wait(self) -> T:
        self._event.wait()
        if self._error is not None:
            raise self._error
        result: T = self._result
        return result


def perform(function: Callable[[Work], T], needs: Needs | None = None) -> T:
    """``Journal.perform`` on this application's journal."""
    found: Journal = current_app.extensions["ocpp"].journal
    return found.perform(function, needs)
