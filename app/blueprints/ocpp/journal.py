"""Group commit: operations of many chargers, one database transaction; answers leave only after it is durable.

The journal takes everything that waits, runs it, commits, and then tells each operation its outcome. One bad
operation does not cost the others: a batch that fails is rolled back and run again with a savepoint each.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, Protocol, TypeVar

from flask import current_app
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from app.blueprints.ocpp.work import Needs, Settings, Work
from app.db import is_busy, write_lock

log = logging.getLogger(__name__)

# Operations in one transaction at the most: a longer one would make everybody wait.
MAX_BATCH = 500
# How long a batch tries to get through to a database that is gone.
RECONNECT_S = 10.0

T = TypeVar("T")


class Operation(Protocol):
    """Something that is done inside a batch's transaction and told when it is durable."""

    needs: Needs

    def run(self, work: Work) -> Any: ...

    def done(self, result: Any) -> None: ...

    def failed(self, error: BaseException) -> None: ...


class Journal:
    """The one writer of a process's message path."""

    def __init__(
        self, engine: Engine, settings: Settings, on_commit: Callable[[set[str]], None] = lambda _changed: None
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._on_commit = on_commit
        self._waiting: deque[Operation] = deque()
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._connection: Connection | None = None

    def submit(self, operation: Operation) -> None:
        """Queue an operation; ``done`` or ``failed`` is called later, from the journal's own thread."""
        if self._thread is None:
            self._start()
        self._waiting.append(operation)
        self._wake.set()

    def perform(self, function: Callable[[Work], T], needs: Needs | None = None) -> T:
        """Run a function in the next batch; return its result when it is durable, or raise what it raised."""
        call = _Call(function, needs or Needs())
        self.submit(call)
        return call.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what waits, then end."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                count = min(len(self._waiting), MAX_BATCH)
                self._serve([self._waiting.popleft() for _ in range(count)])
            if self._stopping:
                self._forget_connection()
                return

    def _serve(self, operations: list[Operation]) -> None:
        try:
            self._commit(operations)
        except Exception as error:  # the journal must outlive any batch
            log.exception("the journal failed", exc_info=error)
            for operation in operations:
                _tell(operation.failed, error)

    def _commit(self, operations: list[Operation]) -> None:
        outcomes: list[_Outcome]
        with write_lock if self._engine.dialect.name == "sqlite" else nullcontext():
            try:
                outcomes, changed = self._attempt(operations, _together)
            except Exception as error:
                log.warning("a batch of %d is run again, one by one: %s", len(operations), _short(error))
                outcomes, changed = self._attempt(operations, _one_by_one)
        for operation, outcome in zip(operations, outcomes, strict=True):
            if outcome.error is None:
                _tell(operation.done, outcome.result)
            else:
                _tell(operation.failed, outcome.error)
        self._on_commit(changed)

    def _attempt(self, operations: list[Operation], way: _Way) -> tuple[list[_Outcome], set[str]]:
        connection = self._begin()
        try:
            outcomes, changed = way(operations, connection, self._settings)
            _commit_aside(connection)
            return outcomes, changed
        except BaseException as error:
            self._roll_back(error)
            raise

    def _begin(self) -> Connection:
        """A transaction, however long another process writes, or the database is away."""
        deadline, pause = time.monotonic() + RECONNECT_S, 0.001
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect().execution_options(writing=True)
                self._connection.begin()
                self._connection.exec_driver_sql("SELECT 1") if self._engine.dialect.name != "sqlite" else None
                return self._connection
            except (OperationalError, InterfaceError, DBAPIError) as error:
                self._forget_connection()
                if time.monotonic() > deadline and not (is_busy(error) and not self._stopping):
                    raise
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _roll_back(self, error: BaseException) -> None:
        if isinstance(error, DBAPIError) or self._connection is None:
            self._forget_connection()
            return
        try:
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


class _Outcome:
    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error = result, error


_Way = Callable[[list[Operation], Connection, Settings], tuple[list[_Outcome], set[str]]]


def _together(
    operations: list[Operation], connection: Connection, settings: Settings
) -> tuple[list[_Outcome], set[str]]:
    """The ordinary way: one unit of work, written in bulk."""
    work = Work(connection, settings)
    work.prefetch([operation.needs for operation in operations])
    outcomes = [_Outcome(operation.run(work)) for operation in operations]
    work.flush()
    return outcomes, work.changed


def _one_by_one(
    operations: list[Operation], connection: Connection, settings: Settings
) -> tuple[list[_Outcome], set[str]]:
    """After a failure: a savepoint each, so that only the bad operation is lost."""
    outcomes, changed = [], set()
    for operation in operations:
        work = Work(connection, settings)
        work.db.run("SAVEPOINT one")
        try:
            outcome = _Outcome(operation.run(work))
            work.flush()
            work.db.run("RELEASE SAVEPOINT one")
            changed |= work.changed
        except Exception as error:
            if not _refusal(error):
                log.exception("an operation failed", exc_info=error)
            work.db.run("ROLLBACK TO SAVEPOINT one")
            outcome = _Outcome(error=error)
        outcomes.append(outcome)
    return outcomes, changed


def _refusal(error: BaseException) -> bool:
    from app.domain_error import DomainError

    return isinstance(error, DomainError)


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
