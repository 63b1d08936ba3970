"""Group commit: operations of many chargers, one transaction; answers leave only after it is durable.

Everything that waits goes together (see ``writer``), and each operation is told its outcome after the
commit. On PostgreSQL there are two writers: while one waits for its batch to be written and committed, the
other reads and decides for those that came meanwhile. SQLite has room for one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flask import current_app
from sqlalchemy import Engine

from app.blueprints.ocpp.batch import Operation
from app.blueprints.ocpp.tally import Tally
from app.blueprints.ocpp.terms import Needs, News, Settings
from app.blueprints.ocpp.work import Work
from app.blueprints.ocpp.writer import Desk, Writer

T = TypeVar("T")


class Journal:
    """The one way of a process's message path into the database."""

    def __init__(
        self, engine: Engine, settings: Settings, on_commit: Callable[[News], None] = lambda _news: None
    ) -> None:
        self._desk = Desk(engine, settings, on_commit)
        self._count = self._desk.free
        self._start_lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def tally(self) -> Tally:
        """What has been counted."""
        return self._desk.tally

    @property
    def waiting(self) -> int:
        """How many operations wait for their batch."""
        return len(self._desk.waiting)

    def submit(self, operation: Operation) -> None:
        """Queue an operation; ``done`` or ``failed`` is called later, from a writer's thread.

        Operations that do not wait for each other may be stored in any order.
        """
        self._desk.waiting.append(operation)
        self._desk.wake.set()
        if not self._threads:
            self._start()

    def perform(self, function: Callable[[Work], T], needs: Needs | None = None) -> T:
        """Run a function in the next batch; return its result when it is durable, or raise what it raised."""
        call = _Call(function, needs or Needs())
        self.submit(call)
        return call.wait()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Finish what waits. What comes later is served as well, as long as the process lives."""
        self._desk.stopping = True
        self._desk.wake.set()
        until = time.monotonic() + timeout_s
        with self._start_lock:  # not while one is being started
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        with self._start_lock:
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._run, name="journal", daemon=True)
                    for _ in range(self._count)
                ]
                for thread in self._threads:
                    thread.start()

    def _run(self) -> None:
        Writer(self._desk).run()
        with self._start_lock:
            self._threads.remove(threading.current_thread())
            is_last = not self._threads
        if is_last and self._desk.waiting:  # submitted just before that
            self._start()


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
