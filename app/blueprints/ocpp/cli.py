"""Commands of the charging domain."""

from __future__ import annotations

from decimal import Decimal

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app.blueprints.accounts.services import audit
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.services import totals
from app.blueprints.ocpp.simulate_cli import simulate
from app.db import db, unit_of_work

ocpp = AppGroup("ocpp", help="Upkeep of the charging domain.")


@ocpp.command("purge")
def purge() -> None:
    """Delete messages and refusals older than MESSAGE_RETENTION_DAYS."""
    click.echo(f"{tasks.purge_messages()} rows purged")


@click.command("verify")
@click.option("--repair", is_flag=True, help="Make the totals what the rows say.")
@with_appcontext
def verify(repair: bool) -> None:
    """Recompute every account's credit and spent energy from its rows, and tell what differs."""
    found = list(totals.differences(db.session()))
    for wrong in found:
        click.echo(
            f"{wrong.username}: credit {_kwh(wrong.credited_wh)} kept, {_kwh(wrong.credits_wh)} by its rows;"
            f" spent {_kwh(wrong.spent_wh)} kept, {_kwh(wrong.used_wh)} by its rows"
        )
    if not found:
        click.echo(f"{totals.count(db.session())} accounts, every total is the sum of its rows.")
    elif repair:
        click.echo(f"{sum(_repair(wrong.account_id) for wrong in found)} accounts repaired.")
    else:
        raise click.ClickException(f"{len(found)} accounts differ; --repair makes them what their rows say.")


def _repair(account_id: int) -> bool:
    with unit_of_work() as work:
        wrong = totals.repair(work, account_id)
        if wrong is not None:
            kept, summed = (wrong.credited_wh, wrong.spent_wh), (wrong.credits_wh, wrong.used_wh)
            names = ("credited_wh", "spent_wh")
            details = {name: list(pair) for name, *pair in zip(names, kept, summed, strict=True)}
            audit.record(work, None, "repair", "account", account_id, details)
    return wrong is not None


def _kwh(energy_wh: int) -> str:
    return f"{Decimal(energy_wh) / 1000:.3f} kWh"


def init_app(app: Flask) -> None:
    """Register the commands; ``accounts verify`` needs charges, so it is ours."""
    app.cli.add_command(ocpp)
    app.cli.add_command(simulate)
    accounts = app.cli.commands["accounts"]
    assert isinstance(accounts, click.Group)
    accounts.add_command(verify)
