"""Runs migrations on the application's own database (``flask db …``)."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection, DateTime

from app.db import UTCDateTime, db


def render(kind: str, item: Any, _autogen: Any) -> str | bool:
    """Migrations name plain column types only, so that they outlive our own."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa." + repr(DateTime(timezone=True))
    return False


def run() -> None:
    """Apply what Alembic was asked for, in one transaction where the database can.

    Whoever copies an installation gives a connection, and commits it when everything is there.
    """
    if (given := context.config.attributes.get("connection")) is not None:
        context.configure(connection=given, target_metadata=db.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    context.config.set_main_option("sqlalchemy.url", str(db.engine.url).replace("%", "%%"))
    with db.engine.connect() as connection:
        # Batch mode rebuilds tables; their children must not notice. Has no effect inside a transaction.
        _foreign_keys(connection, "OFF")
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_as_batch=True,
            render_item=render,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if connection.in_transaction():
            connection.commit()
        _foreign_keys(connection, "ON")


def _foreign_keys(connection: Connection, switch: str) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA foreign_keys={switch}")


assert current_app, "migrations run as `flask db …`"
run()
