"""Commands of the mailer."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.blueprints.mailer import delivery
from app.blueprints.mailer.models import WAITING
from app.blueprints.mailer.services import queueing
from app.db import db

# As many as are counted.
MANY = 100_000


@click.command("send_queued")
@with_appcontext
def send_queued() -> None:
    """Send the mails that are due, now. Exit code 1: the mail server is in trouble."""
    if not current_app.config["SMTP_HOST"]:
        waiting = queueing.count(db.session(), WAITING, MANY)
        click.echo(f"SMTP_HOST is not set; waiting: {waiting}.")
        return
    tally = delivery.send_due(at_once=True)
    click.echo(f"{tally.sent} sent, {tally.later} later, {tally.failed} failed.")
    if tally.trouble:
        raise click.ClickException(f"The rest waits: {tally.trouble}")


def init_app(app: Flask) -> None:
    """Register the command."""
    app.cli.add_command(send_queued)
