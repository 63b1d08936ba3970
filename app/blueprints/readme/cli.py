"""The commands of readme."""

from __future__ import annotations

import sys

import click

from app.blueprints.readme.services import building
from app.config import IS_INSTALLED, ROOT


@click.command("build_readme")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when README.md is out of date.")
def build_readme(check: bool) -> None:
    """Build README.md from README.base.md, the settings, the tests, and each domain's README."""
    if IS_INSTALLED:
        raise click.ClickException("README.md is built in a checkout; this is an installed package.")
    file = ROOT / "README.md"
    wanted = building.build()
    if file.exists() and file.read_text(encoding="utf-8") == wanted:
        click.echo("README.md is up to date.")
    elif check:
        click.echo("README.md is out of date. Run: flask build_readme", err=True)
        sys.exit(1)
    else:
        file.write_text(wanted, encoding="utf-8")
        click.echo("README.md written.")
