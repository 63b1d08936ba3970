"""Builds the package: what setup.cfg cannot say.

On top of the modules go compiled translations, the project's README and changelog, and the commit, into
``app/shipped``; the migrations go under ``app``, so that they are nobody else's.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
DOCUMENTS = ("README.md", "CHANGELOG.md")


def commit() -> str:
    """The commit that this is built from: as flask build_pypi or a source distribution says, else git's."""
    given = ROOT / "COMMIT"
    if given.exists():
        return given.read_text(encoding="utf-8").strip()
    git = subprocess.run(  # noqa: S603 - our own command
        ["git", "-C", ROOT, "rev-parse", "--verify", "HEAD"],  # noqa: S607 - wherever it is installed
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return git.stdout.strip() if git.returncode == 0 else ""


class BuildPackage(build_py):
    """Adds what is made from other files."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.ship(Path(self.build_lib) / "app")

    def ship(self, app: Path) -> None:
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        for catalogue in app.glob("translations/*/LC_MESSAGES/*.po"):
            with catalogue.open("rb") as source, catalogue.with_suffix(".mo").open("wb") as target:
                write_mo(target, read_po(source, locale=catalogue.parent.parent.name))
        shipped = app / "shipped"
        shipped.mkdir(exist_ok=True)
        for name in DOCUMENTS:
            shutil.copyfile(ROOT / name, shipped / name)
        (shipped / "COMMIT").write_text(f"{commit()}\n", encoding="utf-8")


class SourceDistribution(sdist):
    """Remembers the commit: there is no git where it is unpacked."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        target = Path(base_dir) / "COMMIT"
        text = f"{commit()}\n"
        target.unlink(missing_ok=True)  # it may be a link to the original
        target.write_text(text, encoding="utf-8")


setup(
    packages=[*find_packages(include=["app*", "worker*"]), "app.migrations", "app.migrations.versions"],
    package_dir={"app.migrations": "migrations"},
    cmdclass={"build_py": BuildPackage, "sdist": SourceDistribution},
)
