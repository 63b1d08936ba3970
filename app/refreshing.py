"""What ``DEV_RELOAD`` does in VS Code before the site starts again: packages, migrations, a commit."""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import click

NUMBER = re.compile(r"(\d{4})")


def refresh(root: Path) -> None:
    """Reinstall what the lock changed, merge and apply migrations, commit and push what that wrote.

    What fails is said, and the site starts all the same: it says what it lacks.
    """
    try:
        _run(root, str(root / "scripts" / "install.sh"))
        # A process of its own: a migration may be broken, and the next one would not be read again.
        merged = _run(root, sys.executable, "-m", "app.refreshing").split("\n")[:-1]
        _run(root, sys.executable, "-m", "app.upgrading", "migrate")
        if merged:
            click.echo(f"Merged migrations: {', '.join(merged)}")
            publish(root, merged)
    except subprocess.CalledProcessError as error:
        click.echo(f"{' '.join(error.cmd)} failed (status {error.returncode}):\n{error.stdout}", err=True)


def merge_heads(folder: Path) -> list[Path]:
    """Join migrations that were written side by side. Return the files that this made."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    heads = ScriptDirectory(str(folder)).get_heads()
    if len(heads) < 2:
        return []
    versions = folder / "versions"
    before = set(versions.glob("*.py"))
    highest = max((int(found[1]) for file in before if (found := NUMBER.match(file.name))), default=0)
    config = Config(str(folder / "alembic.ini"), cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    command.merge(config, heads, message="merge heads", rev_id=f"{highest + 1:04}")
    return sorted(set(versions.glob("*.py")) - before)


def publish(root: Path, names: Sequence[str]) -> None:
    """Commit these files and no others; push, where the branch follows another one."""
    _run(root, "git", "add", "--", *names)
    _run(root, "git", "commit", "--quiet", "--message", "Merge migrations", "--", *names)
    if _run(root, "git", "branch", "--list", "--format=%(upstream)", _branch(root)).strip():
        _run(root, "git", "push", "--quiet")
        click.echo("Committed, and pushed.")
    else:
        click.echo("Committed. The branch follows no other, so it was not pushed.")


def _branch(root: Path) -> str:
    return _run(root, "git", "rev-parse", "--abbrev-ref", "HEAD").strip()


def _run(root: Path, *command: str) -> str:
    """Run it; return what it printed. Raises ``CalledProcessError`` with all of that."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    made = merge_heads(Path("migrations"))
    click.echo("".join(f"{file}\n" for file in made), nl=False)
