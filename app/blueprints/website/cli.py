"""Commands for the installation as a whole."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.backup import making, moving, restoring
from app.config import RUN
from app.db import db
from app.domain_error import DomainError


@click.command("backup")
@click.argument("path", type=click.Path(path_type=Path))
@with_appcontext
def backup(path: Path) -> None:
    """Write database and secret key into one file at PATH, or in that folder. The server may be running."""
    try:
        file, manifest = making.make(db.engine, current_app.config, path)
    except DomainError as refusal:
        raise click.ClickException(refusal.detail) from refusal
    rows = sum(manifest.rows.values())
    click.echo(f"{file}: {rows} rows of {len(manifest.rows)} tables, {file.stat().st_size / 1024**2:.1f} MB.")
    if not manifest.files.get("secret_key"):
        click.echo("SECRET_KEY comes from the environment: keep it beside the backup.")


@click.command("restore")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def restore(path: Path, yes: bool) -> None:
    """Put the backup at PATH in the place of database and secret key. The server must not be running."""
    settings = current_app.config
    try:
        with restoring.opened(db.engine, settings, path) as opened:
            manifest = opened.manifest
            rows = sum(manifest.rows.values())
            click.echo(f"A backup of {manifest.created_at}, version {manifest.version}, {rows} rows.")
            if not yes:
                click.confirm("Let it take the place of what is there now?", abort=True)
            done = restoring.put(db.engine, settings, opened)
    except DomainError as refusal:
        raise click.ClickException(refusal.detail) from refusal
    _say(done)
    if restoring.is_older(settings, manifest):
        click.echo(f"It is of an older version: the next start of {RUN} applies the migrations.")


@click.command("copy_to")
@click.argument("url")
@click.option("--replace", is_flag=True, help="Move what the database holds aside.")
@with_appcontext
def copy_to(url: str, replace: bool) -> None:
    """Copy this SQLite installation into the PostgreSQL database at URL. The server must not be running.

    It is all there in the end, or nothing is. The password may come from PGPASSWORD instead of URL.
    """
    try:
        done = moving.copy(db.engine, current_app.config, url, replace=replace, tell=_tell)
    except DomainError as refusal:
        raise click.ClickException(refusal.detail) from refusal
    rows = sum(done.rows.values())
    click.echo(f"{rows} rows of {len(done.rows)} tables are there. They are as many as here, table by table.")
    for name, total in done.totals.items():
        click.echo(f"The same on both sides: {name}: {total.normalize():f}")
    if done.aside:
        click.echo(f"What was there is kept: schema {done.aside}")
    click.echo("Now set DATABASE_URL to the new database, and start the server.")


def _tell(table: str, done: int, total: int) -> None:
    if done == total or done % 100_000 == 0:
        click.echo(f"{table}: {done} of {total} rows", err=True)


def _say(done: restoring.Restored) -> None:
    click.echo("Restored.")
    if done.old_database:
        kind = "file" if done.manifest.database == "sqlite" else "schema"
        click.echo(f"The old database is kept: {kind} {done.old_database}")
    if done.old_key:
        click.echo(f"The old secret key is kept: {done.old_key}")


def init_app(app: Flask) -> None:
    """Register the commands."""
    app.cli.add_command(backup)
    app.cli.add_command(restore)
    app.cli.add_command(copy_to)
