"""Commands for users, tokens, credit and tags."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from app.blueprints.accounts import services
from app.blueprints.accounts.services import audit, passwords
from app.db import UnitOfWork, db, unit_of_work
from app.domain_error import DomainError

users = AppGroup("users", help="People who may log in.")
tokens = AppGroup("tokens", help="API tokens.")
accounts = AppGroup("accounts", help="Energy accounts.")
rfids = AppGroup("rfids", help="RFID tags.")


@contextmanager
def _refusing() -> Iterator[None]:
    """A refusal is a sentence and exit code 1."""
    try:
        yield
    except DomainError as refusal:
        raise click.ClickException(refusal.detail) from refusal


@contextmanager
def _working() -> Iterator[UnitOfWork]:
    """A unit of work that may be refused."""
    with _refusing(), unit_of_work() as work:
        yield work


@users.command("create")
@click.argument("name")
@click.option("--staff", is_flag=True, help="May use the admin.")
@click.option("--password", help="Asked for, or generated and printed, when absent.")
def create_user(name: str, staff: bool, password: str | None) -> None:
    """Make a user and their energy account."""
    generated = None
    if password is None:
        password = _asked() or (generated := secrets.token_urlsafe(12))
    password_hash = _hashed(password, name)
    with _working() as work:
        user = services.create_user(work, name, password_hash=password_hash, is_staff=staff)
        audit.record(work, None, "create", "user", user.id, {"username": user.username, "is_staff": staff})
    click.echo(f"User {name} created.")
    if generated:
        click.echo(f"Password: {generated}")


def _hashed(password: str, username: str) -> str:
    """The hash of a password that keeps to the rule."""
    try:
        passwords.check(password, username=username)
    except DomainError as refusal:
        raise click.ClickException(refusal.detail) from refusal
    return passwords.hashed(password)


def _asked() -> str:
    """The password that somebody types; empty where nobody sits, or for one that is generated."""
    if not sys.stdin.isatty():
        return ""
    return str(
        click.prompt(
            "Password (empty: generate one)",
            default="",
            show_default=False,
            hide_input=True,
            confirmation_prompt=True,
        )
    )


@tokens.command("create")
@click.argument("name")
def create_token(name: str) -> None:
    """Make an API token for the user NAME. It is printed once."""
    with _working() as work:
        token, plain = services.create_token(work, services.get_user(work, name), "command line")
        audit.record(work, None, "create", "api_token", token.id, {"username": name})
    click.echo(plain)


# A negative amount is no option.
@accounts.command("credit", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("kwh")
def credit(name: str, kwh: str) -> None:
    """Add KWH to the account of the user NAME; a negative amount takes it away."""
    with _working() as work:
        account = services.get_account(work, name)
        services.add_credit(work, account, kwh, None)
        balance = account.balance_kwh
    click.echo(f"{name} has {balance:.3f} kWh.")


@accounts.command("service")
@click.argument("name")
@click.option("--off", is_flag=True, help="An ordinary account again.")
def service(name: str, off: bool) -> None:
    """Let the user NAME charge whatever the balance."""
    with _working() as work:
        account = services.get_account(work, name)
        before = audit.values(account)
        services.set_service(account, not off)
        changed = audit.changes(before, audit.values(account))
        audit.record(work, None, "update", "account", account.id, changed)
    click.echo(f"{name} is {'an ordinary' if off else 'a service'} account.")


@click.command("export_rfids")
@click.argument("path", required=False, type=click.Path(dir_okay=False, writable=True, allow_dash=True))
@with_appcontext
def export_rfids(path: str | None) -> None:
    """Write every tag as CSV (rfid,user,allowed) to PATH, or print it."""
    if path in (None, "-"):
        services.export_tags(db.session(), sys.stdout)
        return
    try:
        with open(str(path), "w", encoding="utf-8", newline="") as out:
            count = services.export_tags(db.session(), out)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    click.echo(f"{count} tags exported.")


@click.command("import_rfids")
@click.argument("path", type=click.Path())
@with_appcontext
def import_rfids(path: str) -> None:
    """Create or change the tags of a CSV file (rfid,user,allowed); nothing when any line is bad."""
    try:
        with _refusing(), open(path, encoding="utf-8-sig", newline="") as file:
            findings = services.check_tags(db.session(), file)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path}: this is not UTF-8 text") from error
    with _working() as work:
        count = services.write_tags(work, findings)
        audit.record(work, None, "import", "rfid", "", {"tags": count, "file": Path(path).name})
    click.echo(f"{count} tags imported.")


def init_app(app: Flask) -> None:
    """Register the commands; tags also as ``rfids export`` and ``rfids import``."""
    rfids.add_command(export_rfids, "export")
    rfids.add_command(import_rfids, "import")
    for command in (users, tokens, accounts, rfids, export_rfids, import_rfids):
        app.cli.add_command(command)
