"""The database: base class, column types, and the unit of work that every edge wraps its work in."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from app import disk, python311

UnitOfWork = Session

# SQLite has one writer. In a web process it is chosen here, cooperatively, before BEGIN IMMEDIATE:
# a wait inside SQLite would stop every charger of the process.
write_lock = threading.RLock()
# Seconds that a write may wait for another process's write.
BUSY_TIMEOUT_S = 20.0
# Key in a session's info: a unit of work is under way.
UNDER_WAY = "unit_of_work"
# A PostgreSQL host that vanishes says nothing; without these it would be waited for a quarter of an hour.
POSTGRES_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Base(DeclarativeBase):
    """What every table derives from."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


python311.guard(Base)
db = SQLAlchemy(model_class=Base)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC and read back aware, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they have no meaning here."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite forgets the zone; it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Timestamp = Annotated[datetime, mapped_column(UTCDateTime)]


@contextmanager
def unit_of_work() -> Iterator[UnitOfWork]:
    """Commit what happened inside the block, or none of it.

    Nothing inside may wait for a network, a charger or a sleep: on SQLite the block holds the one write lock.
    Raises ``RuntimeError`` inside another one, whose work it would throw away.
    """
    session = db.session()
    if session.info.get(UNDER_WAY):
        raise RuntimeError("a unit of work within another")
    single_writer = session.get_bind().dialect.name == "sqlite"
    if single_writer:
        write_lock.acquire()
    session.info[UNDER_WAY] = True
    try:
        session.rollback()  # a read transaction from before cannot become a write
        session.connection(execution_options={"writing": True})
        yield session
        session.commit()
        disk.notes.stored()
    except BaseException as error:
        session.rollback()
        if is_full(error):
            disk.notes.full(error)
        raise
    finally:
        session.info.pop(UNDER_WAY, None)
        if single_writer:
            write_lock.release()


def init_app(app: Flask) -> None:
    """Bind the database, and give SQLite the manners that chargers need."""
    options = app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", {})
    if app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
        options.setdefault("connect_args", {"timeout": 0.0, "check_same_thread": False})
    else:
        options.setdefault("pool_pre_ping", True)
        options.setdefault("pool_size", 10)
        options.setdefault("connect_args", POSTGRES_PATIENCE)
    db.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _sqlite_manners(db.engine)


def _sqlite_manners(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        cursor = connection.cursor()
        patiently(lambda: cursor.execute("PRAGMA journal_mode=WAL"))
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A deferred transaction that turns into a write fails when another process wrote in between.
        writing = connection.get_execution_options().get("writing")
        statement = "BEGIN IMMEDIATE" if writing else "BEGIN"
        patiently(lambda: connection.exec_driver_sql(statement))


def patiently(attempt: Any, limit_s: float = BUSY_TIMEOUT_S) -> Any:
    """Try again, with cooperative pauses, while another process holds SQLite's write lock."""
    deadline, pause = time.monotonic() + limit_s, 0.001
    while True:
        try:
            return attempt()
        except Exception as error:  # the driver's own, or SQLAlchemy's; all but a busy lock goes on up
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def is_busy(error: BaseException) -> bool:
    """Whether SQLite said that another connection holds its lock."""
    cause = error.orig if isinstance(error, OperationalError) else error
    return "locked" in str(cause) or "busy" in str(cause)


def is_full(error: BaseException) -> bool:
    """Whether the database could not write for want of room, or because its disk took nothing."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        # The low byte; the others say which kind of input or output failed.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    # PostgreSQL, appendix A: disk_full, out_of_memory.
    return getattr(cause, "sqlstate", None) in ("53100", "53200")
