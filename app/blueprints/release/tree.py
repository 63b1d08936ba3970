"""The checkout that a release is made from, by way of git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from app.blueprints.release.errors import ReleaseRefused

# Seconds that git may take; a push goes over the network.
LOCAL_S, PUSH_S = 60.0, 300.0


class Tree:
    """A git checkout. Every refusal of git's becomes a ``ReleaseRefused``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self) -> None:
        """Refuse a folder that is not the top of a checkout with something in it."""
        if not (self.root / ".git").exists():
            raise ReleaseRefused(f"{self.root} is no git checkout: releases are made from one.")
        self.commit()

    def commit(self) -> str:
        """The commit that is checked out."""
        return self._git(
            "rev-parse", "--verify", "--quiet", "HEAD", otherwise="nothing has been committed yet"
        )

    def committed_at(self) -> str:
        """When that was, in seconds since 1970: what is built from it carries this time."""
        return self._git("log", "-1", "--format=%ct")

    def changes(self) -> list[str]:
        """Files that are not as they were committed, new ones included."""
        entries = self._git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all").split(
            "\0"
        )
        return [entry[3:] for entry in entries if entry]

    def files(self, *folders: str) -> list[str]:
        """Every file that is there and not ignored, committed or new."""
        names = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders)
        return sorted({name for name in names.split("\0") if name and (self.root / name).is_file()})

    def last_tag(self) -> str:
        """The newest tag that this commit comes from; empty when there is none."""
        try:
            return self._git("describe", "--tags", "--abbrev=0")
        except ReleaseRefused:
            return ""

    def has_tag(self, name: str) -> bool:
        """Whether a tag exists."""
        return bool(self._git("tag", "--list", name))

    def branch(self) -> str:
        """The branch that is checked out."""
        return self._git(
            "symbolic-ref",
            "--quiet",
            "--short",
            "HEAD",
            otherwise="no branch is checked out: git switch main",
        )

    def check_identity(self) -> None:
        """Refuse when git does not know whom commits and tags are by."""
        self._git(
            "var", "GIT_COMMITTER_IDENT", otherwise="it does not know your name: set user.name and user.email"
        )

    def upstream(self) -> tuple[str, str] | None:
        """The remote that the branch follows, and the branch's name there."""
        branch = self.branch()
        try:
            remote = self._git("config", f"branch.{branch}.remote")
            return remote, self._git("config", f"branch.{branch}.merge")
        except ReleaseRefused:
            return None

    def commit_files(self, names: Sequence[str], message: str) -> bool:
        """Commit these files and no others; False when they have not changed."""
        if not set(names).intersection(self.changes()):
            return False
        self._git("add", "--", *names)
        self._git("commit", "--quiet", "--message", message, "--only", "--", *names)
        return True

    def tag(self, name: str, message: str, *, force: bool) -> None:
        """Give this commit a name that stays."""
        self._git("tag", "--annotate", *(["--force"] if force else []), "--message", message, name)

    def push(self, tag: str = "", *, force: bool = False, rehearse: bool = False) -> str:
        """Send the branch, and the tag, to where the branch comes from: all or nothing. Return where that is.

        Empty when the branch follows no other. ``rehearse`` only asks whether it would work.
        """
        upstream = self.upstream()
        if upstream is None:
            return ""
        remote, branch = upstream
        wanted = [f"HEAD:{branch}"]
        if tag:
            wanted.append(f"{'+' if force else ''}refs/tags/{tag}")
        options = ["--quiet", "--atomic", *(["--dry-run"] if rehearse else [])]
        self._git("push", *options, remote, *wanted, timeout_s=PUSH_S)
        return remote

    def _git(self, *command: str, timeout_s: float = LOCAL_S, otherwise: str = "") -> str:
        # Nobody is there to answer a question about a password or a host's key.
        quiet = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own commands
                ["git", *command],  # noqa: S607 - wherever it is installed
                cwd=self.root, env={**os.environ, **quiet, "LC_ALL": "C"}, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=timeout_s, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ReleaseRefused("git is not installed here.") from error
        except subprocess.TimeoutExpired as error:
            raise ReleaseRefused(f"git {command[0]} took longer than {timeout_s:.0f} s.") from error
        if done.returncode != 0:
            raise ReleaseRefused(f"git {command[0]} failed: {otherwise or _reason(done.stderr)}.")
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def _reason(said: bytes) -> str:
    """What git says of a failure, in one line."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "!"))] or lines[-1:]
    return "; ".join(telling)[:500].rstrip(".") or "it did not say why"
