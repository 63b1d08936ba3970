"""Commands of the charging domain."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.simulate_cli import simulate

ocpp = AppGroup("ocpp", help="Upkeep of the charging domain.")


@ocpp.command("purge")
def purge() -> None:
    """Delete messages and refusals older than MESSAGE_RETENTION_DAYS."""
    click.echo(f"{tasks.purge_messages()} rows purged")


def init_app(app: Flask) -> None:
    """Register the commands."""
    app.cli.add_command(ocpp)
    app.cli.add_command(simulate)
