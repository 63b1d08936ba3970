"""One database transaction for many operations: all at once, or one by one after one of them failed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Any, Protocol

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.blueprints.ocpp.terms import Needs, News, Settings
from app.blueprints.ocpp.work import Work
from app.db import is_busy, is_full
from app.domain_error import DomainError

log = logging.getLogger(__name__)


class Operation(Protocol):
    """Something that is done inside a batch's transaction and told when it is durable."""

    needs: Needs

    def run(self, work: Work) -> Any: ...

    def done(self, result: Any) -> None: ...

    def failed(self, error: BaseException) -> None: ...


class Outcome:
    """What became of one operation."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error = result, error


# A way runs the operations, and returns what is left to do before the commit.
Flush = Callable[[], tuple[list[Outcome], News]]
Way = Callable[[list[Operation], Connection, Settings], Flush]


def together(operations: list[Operation], connection: Connection, settings: Settings) -> Flush:
    """The ordinary way: one unit of work, written in bulk."""
    return _in_bulk(Work(connection, settings), operations, ids=True)


def carefully(operations: list[Operation], connection: Connection, settings: Settings) -> Flush:
    """After ``StartKnown``: in bulk as well, but each transaction is stored as soon as it begins."""
    return _in_bulk(Work(connection, settings), operations, ids=False)


def _in_bulk(work: Work, operations: list[Operation], *, ids: bool) -> Flush:
    work.prefetch([operation.needs for operation in operations], ids=ids)
    outcomes = [Outcome(operation.run(work)) for operation in operations]

    def flush() -> tuple[list[Outcome], News]:
        work.flush()
        return outcomes, work.news

    return flush


def one_by_one(operations: list[Operation], connection: Connection, settings: Settings) -> Flush:
    """After a failure: a savepoint each, so that only the bad operation is lost."""
    outcomes, news = [], News()
    for operation in operations:
        work = Work(connection, settings)
        work.db.run("SAVEPOINT one")
        try:
            outcome = Outcome(operation.run(work))
            work.flush()
            work.db.run("RELEASE SAVEPOINT one")
            news.add(work.news)
        except Exception as error:  # one bad operation must not cost the others
            if passing(error):
                raise
            if not isinstance(error, DomainError):
                log.exception("an operation failed", exc_info=error)
            work.db.run("ROLLBACK TO SAVEPOINT one")
            outcome = Outcome(error=error)
        outcomes.append(outcome)
    return lambda: (outcomes, news)


def passing(error: BaseException) -> bool:
    """Whether the database was the trouble (a lost connection, a deadlock, a full disk): again may help."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return is_busy(cause) or is_full(cause)
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)


def may_be_committed(error: BaseException) -> bool:
    """Whether a commit that raised this may have taken place all the same."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return False
    # PostgreSQL said what is wrong, so it did not commit; unless what it said is that it goes away (08, 57P).
    state = getattr(cause, "sqlstate", None)
    return state is None or state[:2] == "08" or state[:3] == "57P" or state == "40003"
