"""What ``DEV_RELOAD`` does in VS Code before the site starts again: packages, migrations, a commit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click

NUMBER = re.compile(r"(\d{4})")


def refresh(root: Path) -> None:
    """Reinstall what the lock changed, merge and apply migrations, commit and push what that wrote.

    What fails is said, and the site starts all the same: it says what it lacks.
    """
    try:
        _run(root, str(root / "scripts" / "install.sh"))
        merged = merge_heads(root)
        _run(root, sys.executable, "-m", "app.upgrading", "migrate")
        if merged:
            publish(root, merged)
    except subprocess.CalledProcessError as error:
        click.echo(f"{' '.join(error.cmd)} failed (status {error.returncode}):\n{error.stdout}", err=True)


def merge_heads(root: Path) -> list[Path]:
    """Join migrations that were written side by side. Return the files that this made."""
    heads = [line.split()[0] for line in _flask(root, "db", "heads").splitlines() if "(head)" in line]
    if len(heads) < 2:
        return []
    folder = root / "migrations" / "versions"
    before = set(folder.glob("*.py"))
    highest = max((int(found[1]) for file in before if (found := NUMBER.match(file.name))), default=0)
    _flask(root, "db", "merge", "--rev-id", f"{highest + 1:04}", "--message", "merge heads", *heads)
    made = sorted(set(folder.glob("*.py")) - before)
    click.echo(f"Merged the migrations {', '.join(heads)}: {', '.join(file.name for file in made)}")
    return made


def publish(root: Path, files: list[Path]) -> None:
    """Commit these files and no others; push, where the branch follows another one."""
    names = [str(file.relative_to(root)) for file in files]
    _run(root, "git", "add", "--", *names)
    _run(root, "git", "commit", "--quiet", "--message", "Merge migrations", "--", *names)
    if _run(root, "git", "branch", "--list", "--format=%(upstream)", _branch(root)).strip():
        _run(root, "git", "push", "--quiet")
        click.echo("Committed, and pushed.")
    else:
        click.echo("Committed. The branch follows no other, so it was not pushed.")


def _branch(root: Path) -> str:
    return _run(root, "git", "rev-parse", "--abbrev-ref", "HEAD").strip()


def _flask(root: Path, *arguments: str) -> str:
    return _run(root, sys.executable, "-m", "flask", "--app", "wsgi", *arguments)


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
