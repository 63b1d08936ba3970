"""The commands of release."""

from __future__ import annotations

from typing import Any

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app import version
from app.blueprints.release import utils
from app.blueprints.release.errors import ReleaseRefused
from app.blueprints.release.package import DEFAULT_PACKAGE, Credentials


@click.command("build_pypi")
@click.option("--all", "everything", is_flag=True, help="Every step: bump, git, dist, twine, tag.")
@click.option("--bump", is_flag=True, help="Count the version up, and give the changelog its heading.")
@click.option("--to", default="", metavar="VERSION", help="The version that --bump gives.")
@click.option("--git", is_flag=True, help="Commit what --bump wrote; push when everything else is done.")
@click.option("--dist", is_flag=True, help="Build source distribution and wheel into dist/.")
@click.option("--twine", is_flag=True, help="Upload them. Credentials come from PYPI_API_TOKEN and its like.")
@click.option("--tag", is_flag=True, help="Tag the commit with the version.")
@click.option("--force", is_flag=True, help="Let a tree with changes and an existing version pass.")
@click.option("--dry-run", is_flag=True, help="Check everything, and only say what would be done.")
@with_appcontext
def build_pypi(everything: bool, dry_run: bool, **steps: Any) -> None:
    """Release the package: build it, and publish it on a package index."""
    settings = current_app.config
    try:
        utils.build(
            DEFAULT_PACKAGE,
            Credentials.from_settings(settings),
            all=everything,
            dry_run=dry_run,
            repository_url=settings["PYPI_REPOSITORY_URL"],
            say=click.echo,
            **steps,
        )
    except ReleaseRefused as refusal:
        raise click.ClickException(refusal.detail) from refusal


@click.command("version")
def show_version() -> None:
    """Print the version and the commit."""
    click.echo(f"Arthexis Constellation {version.text()}")


def init_app(app: Flask) -> None:
    """Register the commands."""
    app.cli.add_command(build_pypi)
    app.cli.add_command(show_version)
