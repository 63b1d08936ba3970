"""Commands of awg."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app.blueprints.awg import services
from app.db import unit_of_work

awg = AppGroup("awg", help="Wire gauges.")


@awg.command("seed")
@click.option("--reset", is_flag=True, help="Put rows right that have been changed, too.")
def seed(reset: bool) -> None:
    """Add what is missing from the tables of cables and conduits."""
    with unit_of_work() as work:
        added, changed = services.seed(work, reset=reset)
    click.echo(f"{added} rows added, {changed} put right")


def init_app(app: Flask) -> None:
    """Hang up the commands."""
    app.cli.add_command(awg)
