"""The ``constellation`` command of the installed package: alone it serves, else it is ``flask …``."""

from __future__ import annotations

import sys

import click
from flask import Flask
from flask.cli import FlaskGroup

from app import version

# What systemd or a container engine may keep running by itself.
PARTS = ("prepare", "web", "worker", "beat")


def main() -> None:
    """Serve as ``scripts/run`` does in a checkout; or run one of the commands."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] not in PARTS:
        commands.main(prog_name="constellation")
    from app import server

    sys.exit(server.main(arguments))


def _create_app() -> Flask:
    from app import create_app

    return create_app()


@click.group(
    cls=FlaskGroup,
    create_app=_create_app,
    add_default_commands=False,
    add_version_option=False,
    load_dotenv=False,
)
@click.version_option(version.text(), prog_name="Arthexis Constellation")
def commands() -> None:
    """Without arguments: make or migrate the database, then serve. With one: run that command.

    prepare, web, worker and beat run that part of the site alone, for whoever keeps them running.
    """
