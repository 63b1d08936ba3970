"""``build``: releases the package, in whole or by single steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.blueprints.release import changelog, distribution, upload, versions
from app.blueprints.release.errors import ReleaseRefused
from app.blueprints.release.package import DEFAULT_PACKAGE, Credentials, Package
from app.blueprints.release.tree import Tree
from app.clock import utcnow
from app.config import ROOT

# What --bump writes, and --git commits.
WRITTEN = (versions.FILE, changelog.FILE)
STEPS = ("bump", "git", "dist", "twine", "tag")


@dataclass(frozen=True)
class Release:
    """What came of it: the version, and the files that were built or uploaded."""

    version: str
    files: tuple[Path, ...] = ()


def build(
    package: Package = DEFAULT_PACKAGE,
    credentials: Credentials | None = None,
    *,
    all: bool = False,
    bump: bool = False,
    dist: bool = False,
    twine: bool = False,
    git: bool = False,
    tag: bool = False,
    force: bool = False,
    dry_run: bool = False,
    to: str = "",
    repository_url: str = "",
    root: Path = ROOT,
    say: Callable[[str], None] = lambda text: None,
) -> Release:
    """Release the package: ``all`` of it, or the steps that are named.

    Everything that can be known beforehand is checked before anything is changed; ``dry_run`` stops there.
    ``force`` lets a dirty tree and an existing version pass. Raises ``ReleaseRefused``, which says what has
    been done and how to go on.
    """
    chosen = {"bump": bump, "git": git, "dist": dist, "twine": twine, "tag": tag}
    steps = [name for name in STEPS if all or chosen[name]]
    making = _Making(package, credentials or Credentials(), Tree(root), steps, force, to, repository_url, say)
    making.check()
    if dry_run:
        return making.plan()
    return making.run()


class _Making:
    """One release on its way."""

    def __init__(
        self, package: Package, credentials: Credentials, tree: Tree, steps: list[str], force: bool, to: str,
        repository_url: str, say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.package = package
        self.credentials = credentials
        self.tree = tree
        self.steps = steps
        self.force = force
        self.to = to
        self.url = repository_url
        self.say = say
        self.version = ""
        self.files: list[Path] = []

    def check(self) -> None:
        """Refuse what cannot work, as far as one can know."""
        if not self.steps:
            raise ReleaseRefused("Say what to do: --all, or some of --bump --git --dist --twine --tag.")
        if self.to and "bump" not in self.steps:
            raise ReleaseRefused("--to names the version that --bump gives: use them together.")
        if "twine" in self.steps:
            self.credentials.login()
            upload.check_address(self.url)
        if {"dist", "twine"}.intersection(self.steps):
            distribution.check_tools()
        self.tree.check()
        self._check_changes()
        self._check_version()
        self._check_git()

    def plan(self) -> Release:
        """Say what would be done."""
        where = self.url or "twine's default repository"
        sentences = {
            "bump": f"write version {self.version} into {' and '.join(WRITTEN)}",
            "git": f"commit that, and push to {self._remote() or 'nowhere: this branch has no upstream'}",
            "dist": f"build {self.package.name} {self.version} into dist/",
            "twine": f"upload it to {where}",
            "tag": f"tag it {self.tag}",
        }
        for step in self.steps:
            self.say(f"Would {sentences[step]}.")
        return Release(self.version)

    def run(self) -> Release:
        """Do it; what was done stays done when a later step fails."""
        done: list[str] = []
        last = ["push"] if "git" in self.steps else []
        for step in [*self.steps, *last]:
            try:
                getattr(self, f"_{step}")()
            except ReleaseRefused as refusal:
                raise self._on_the_way(refusal, done) from refusal
            done.append(step)
        return Release(self.version, tuple(self.files))

    @property
    def tag(self) -> str:
        """The name of this release in git."""
        return f"v{self.version}"

    @property
    def _target(self) -> Path:
        return self.tree.root / "dist"

    def _check_changes(self) -> None:
        changes = [
            name for name in self.tree.changes()
            if not ("git" in self.steps and "bump" not in self.steps and name in WRITTEN)
        ]  # fmt: skip
        if changes and not self.force:
            shown = ", ".join(changes[:5]) + (f" and {len(changes) - 5} more" if len(changes) > 5 else "")
            raise ReleaseRefused(
                f"The tree has changes that are not committed ({shown}): commit them, or use --force."
            )

    def _check_version(self) -> None:
        now = versions.current(self.tree.root)
        self.version = versions.following(now, self.to) if "bump" in self.steps else now
        if self.steps != ["git"] and self.tree.has_tag(self.tag) and not self.force:
            raise ReleaseRefused(
                f"Version {self.version} exists already (tag {self.tag}): bump it, or use --force."
            )
        if "bump" in self.steps:
            self._new_texts()
        if "twine" in self.steps and "dist" not in self.steps and not self._built():
            raise ReleaseRefused(
                f"There is no {self.package.name} {self.version} in dist/: build it first, with --dist."
            )

    def _check_git(self) -> None:
        if {"git", "tag"}.intersection(self.steps):
            self.tree.check_identity()
        if "git" in self.steps:
            self.tree.branch()
            self.tree.push(rehearse=True)

    def _built(self) -> list[Path]:
        return distribution.existing(self._target, self.package, self.version)

    def _new_texts(self) -> dict[Path, str]:
        """What --bump writes into each file."""
        root, day = self.tree.root, utcnow().date().isoformat()
        version, changes = (root / name for name in WRITTEN)
        if not changes.is_file():
            raise ReleaseRefused(f"There is no {changelog.FILE}: write down there what has changed.")
        return {
            version: versions.written(version.read_text(encoding="utf-8"), self.version),
            changes: changelog.released(changes.read_text(encoding="utf-8"), self.version, day),
        }

    def _bump(self) -> None:
        for file, text in self._new_texts().items():
            file.write_text(text, encoding="utf-8")
        self.say(f"The version is {self.version} now.")

    def _git(self) -> None:
        if self.tree.commit_files(WRITTEN, f"Release {self.version}"):
            self.say(f"Committed as {self.tree.commit()[:9]}.")

    def _dist(self) -> None:
        changed = bool(self.tree.changes())
        self.files = distribution.make(self.tree, self.package, self.version, self._target, changed=changed)
        for file in self.files:
            self.say(f"Built {file.relative_to(self.tree.root)}, {file.stat().st_size / 1024:.0f} kB.")

    def _twine(self) -> None:
        self.files = self._built()
        upload.send(self.files, self.credentials, self.url, pass_over=self.force, say=self.say)

    def _tag(self) -> None:
        self.tree.tag(self.tag, f"{self.package.name} {self.version}", force=self.force)
        self.say(f"Tagged {self.tag}.")

    def _push(self) -> None:
        tag = self.tag if self.tree.has_tag(self.tag) else ""
        remote = self.tree.push(tag, force=self.force)
        self.say(f"Pushed to {remote}." if remote else "Not pushed: this branch follows no other.")

    def _remote(self) -> str:
        upstream = self.tree.upstream() if "git" in self.steps else None
        return upstream[0] if upstream else ""

    def _on_the_way(self, refusal: ReleaseRefused, done: list[str]) -> ReleaseRefused:
        """The same refusal, with how to go on from here."""
        if not done:
            return refusal
        # What was pushed last, or is pushed yet, is --git's.
        left = [step for step in STEPS if step in self.steps and (step not in done or step == "git")]
        detail = f"{refusal.detail}\nDone so far: {', '.join(done)}. To go on: flask build_pypi"
        refusal.detail = " ".join([detail, *(f"--{step}" for step in left)])
        return refusal
