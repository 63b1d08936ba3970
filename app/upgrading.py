"""What ``scripts/upgrade.sh`` asks of an installation: how its database stands, and whether it serves.

``python -m app.upgrading look`` prints a line each: the database is ``none``, ``current`` or ``behind``; its
revision; the folder of backups; whether the site ``serves`` or is ``silent``.
``python -m app.upgrading migrate`` applies the migrations, or says why it cannot.
``python -m app.upgrading serves SECONDS`` ends with 0 once /healthz answers 200, with 1 if it never does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from app import first_start
from app.config import environment
from app.preflight import Refused, plain_reasons
from app.server import health


def main(arguments: Sequence[str]) -> int:
    """Answer one question; return the exit status."""
    settings = environment()
    match arguments:
        case ["look"]:
            click.echo("\n".join(look(settings)))
            return 0
        case ["migrate"]:
            return migrate()
        case ["serves", seconds]:
            return 0 if serves(settings, float(seconds)) else 1
    raise SystemExit("Usage: python -m app.upgrading look | migrate | serves SECONDS")


def look(settings: Mapping[str, Any]) -> list[str]:
    """How things stand, before anything is changed and after."""
    revision = first_start.revision(settings)
    state = "current" if first_start.is_current(settings) else "behind" if revision else "none"
    served = not health(settings["HOST"], settings["PORT"])
    return [state, revision or "-", settings["BACKUP_DIR"], "serves" if served else "silent"]


def migrate() -> int:
    """Apply the migrations in one transaction; an error of a migration itself rises with all its details."""
    from app import create_app

    try:
        with create_app().app_context(), plain_reasons():
            first_start.apply_migrations()
    except Refused as reason:
        click.echo(reason, err=True)
        return 1
    return 0


def serves(settings: Mapping[str, Any], patience_s: float) -> bool:
    """Whether /healthz answers 200 before the patience is over."""
    until = time.monotonic() + patience_s
    while answer := health(settings["HOST"], settings["PORT"]):
        if time.monotonic() > until:
            click.echo(f"/healthz: {answer}", err=True)
            return False
        time.sleep(0.5)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
