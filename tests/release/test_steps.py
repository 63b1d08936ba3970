"""A release from a real checkout: what is refused beforehand, what each step does, how it goes on."""

from __future__ import annotations

import os
import tarfile
import zipfile
from email import message_from_string

import pytest

from app.blueprints.release import Credentials
from app.blueprints.release.errors import ReleaseRefused
from app.clock import utcnow
from tests.release.conftest import FILES, PACKAGE, git
from tests.release.index import TOKEN

WHEEL = "small_thing-{}-py3-none-any.whl"
SOURCES = "small_thing-{}.tar.gz"


def state(project):
    """Everything a release could change."""
    files = {name: (project / name).read_text() for name in FILES}
    history = git(project, "log", "--format=%H %D", "--all"), git(project, "tag")
    remote = git(project.parent / "remote.git", "log", "--format=%H %D", "--all")
    return files, history, remote, sorted(os.listdir(project))


@pytest.mark.slow
def test_all_of_it(project, release, index, said):
    done = release(all=True)

    assert done.version == "1.2.4"
    assert index.files == [WHEEL.format("1.2.4"), SOURCES.format("1.2.4")]
    assert '__version__ = "1.2.4"' in (project / "app/version.py").read_text()
    heading = f"## Unreleased\n\n## 1.2.4 - {utcnow().date()}\n\n- Smaller.\n"
    assert heading in (project / "CHANGELOG.md").read_text()
    assert git(project, "log", "-1", "--format=%s") == "Release 1.2.4"
    assert git(project, "status", "--porcelain") == ""
    head = git(project, "rev-parse", "HEAD")
    remote = project.parent / "remote.git"
    assert git(remote, "rev-parse", "main") == git(remote, "rev-parse", "v1.2.4^{commit}") == head
    assert said[-1] == "Pushed to origin."


def test_what_is_built_tells_the_package_and_the_commit(project, release, built):
    wheel = zipfile.ZipFile(project / "dist" / WHEEL.format("1.2.3"))
    told = message_from_string(wheel.read("small_thing-1.2.3.dist-info/METADATA").decode())
    assert (told["Name"], told["Summary"], told["Author"]) == ("small-thing", "Small.", "Somebody")
    assert told["Requires-Python"] == ">=3.11"
    with tarfile.open(project / "dist" / SOURCES.format("1.2.3")) as sources:
        assert "small_thing-1.2.3/app/version.py" in sources.getnames()


def test_a_build_holds_only_what_git_knows_and_leaves_nothing_behind(project, release):
    (project / ".gitignore").write_text("/dist/\nsecret.py\n")
    (project / "app/secret.py").write_text("PASSWORD = 1")
    git(project, "commit", "--all", "--quiet", "--message", "ignore")

    done = release(dist=True)

    assert sorted(file.name for file in done.files) == [WHEEL.format("1.2.3"), SOURCES.format("1.2.3")]
    assert not [name for name in zipfile.ZipFile(done.files[0]).namelist() if "secret" in name]
    assert set(os.listdir(project)) == {"dist", "app", ".git", *FILES} - {"app/__init__.py", "app/version.py"}


def test_a_dry_run_changes_nothing(project, release, index, said):
    before = state(project)

    assert release(all=True, dry_run=True).version == "1.2.4"

    assert state(project) == before
    assert index.asked == 0
    assert len(said) == 5
    assert "upload it to " + index.url in said[3]


@pytest.mark.parametrize("name", ["README.md", "app/new.py", "a name ñ with spaces.txt"])
def test_a_tree_with_changes_is_refused_unless_forced(project, release, index, name):
    (project / name).write_text("changed")
    before = git(project, "rev-parse", "HEAD")

    with pytest.raises(ReleaseRefused, match="not committed") as refused:
        release(all=True)

    assert name in refused.value.detail
    assert git(project, "rev-parse", "HEAD") == before
    assert index.asked == 0
    release(bump=True, git=True, force=True)
    assert name in git(project, "-c", "core.quotePath=false", "status", "--porcelain")


def test_a_version_that_exists_is_refused_unless_forced(project, release, built, index):
    git(project, "tag", "v1.2.3")

    for step in ("dist", "twine", "tag"):
        with pytest.raises(ReleaseRefused, match=r"1\.2\.3 exists already"):
            release(**{step: True})
    assert index.asked == 0
    release(tag=True, force=True)
    assert git(project, "cat-file", "-t", "v1.2.3") == "tag"


@pytest.mark.parametrize(
    "credentials",
    [None, Credentials(), Credentials(username="maria"), Credentials(password="correct horse")],
)
def test_without_credentials_nothing_begins(project, release, credentials):
    before = state(project)

    with pytest.raises(ReleaseRefused, match=r"^Missing PyPI credentials"):
        release(all=True, credentials=credentials)

    assert state(project) == before


def test_credentials_do_not_show_themselves():
    shown = repr(Credentials(token=TOKEN, username="maria", password="correct horse"))
    assert TOKEN not in shown
    assert "correct" not in shown


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "Say what to do"),
        ({"dist": True, "to": "2.0"}, "use them together"),
        ({"bump": True, "to": "1.2.3"}, "does not come after"),
        ({"bump": True, "to": "new"}, "is no version"),
        ({"twine": True}, "build it first"),
        ({"twine": True, "repository_url": "http://192.0.2.1/legacy/"}, "begin with https"),
        ({"twine": True, "repository_url": "https://me:pw@example.com/"}, "must not hold a password"),
        ({"twine": True, "repository_url": "example.com"}, "must be an address"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_happens(project, release, options, why):
    before = state(project)

    with pytest.raises(ReleaseRefused, match=why):
        release(**options)

    assert state(project) == before


@pytest.mark.parametrize(
    ("version", "to", "following"),
    [
        ("1.2.3", "", "1.2.4"), ("1.9", "", "1.10"), ("2.0.0rc1", "", "2.0.0"), ("1.2.3", "1.3", "1.3"),
        ("1.2.3", "2.0.0rc1", "2.0.0rc1"),
    ],
)  # fmt: skip
def test_the_next_version(project, release, version, to, following):
    (project / "app/version.py").write_text(f'__version__ = "{version}"\n')
    git(project, "commit", "--all", "--quiet", "--allow-empty", "--message", "version")

    assert release(bump=True, to=to).version == following
    assert f'__version__ = "{following}"\n' in (project / "app/version.py").read_text()


def test_a_release_without_changes_to_tell_of_is_refused(project, release):
    file = project / "CHANGELOG.md"
    file.write_text(file.read_text().replace("- Smaller.", ""))
    git(project, "commit", "--all", "--quiet", "--message", "forget")

    with pytest.raises(ReleaseRefused, match="nothing under '## Unreleased'"):
        release(bump=True)


@pytest.mark.slow
def test_single_steps_one_after_the_other_make_the_same_release(project, release, index):
    release(bump=True)
    with pytest.raises(ReleaseRefused, match="not committed"):
        release(dist=True)
    release(git=True)
    release(dist=True)
    release(twine=True)
    release(tag=True)
    release(git=True)

    assert index.files == [WHEEL.format("1.2.4"), SOURCES.format("1.2.4")]
    remote = project.parent / "remote.git"
    assert git(remote, "rev-parse", "v1.2.4^{commit}") == git(project, "rev-parse", "HEAD")


def test_a_remote_that_has_moved_on_is_noticed_before_anything_is_uploaded(project, release, index):
    git(project.parent, "clone", "--quiet", "remote.git", "other")
    other = project.parent / "other"
    (other / "new.txt").write_text("new")
    git(other, "add", "new.txt")
    git(other, "-c", "user.name=O", "-c", "user.email=o@example.com", "commit", "-qm", "theirs")
    git(other, "push", "--quiet")
    before = git(project, "rev-parse", "HEAD")

    with pytest.raises(ReleaseRefused, match="git push failed"):
        release(all=True)

    assert index.asked == 0
    assert git(project, "rev-parse", "HEAD") == before


def test_a_branch_that_follows_no_other_is_not_pushed(project, release, said):
    git(project, "branch", "--unset-upstream")

    release(bump=True, git=True)

    assert said[-1] == "Not pushed: this branch follows no other."


@pytest.mark.slow
def test_what_failed_half_way_says_how_to_go_on(project, release, index):
    index.users = {}

    with pytest.raises(ReleaseRefused) as refused:
        release(all=True)

    reason, how = refused.value.detail.splitlines()
    assert reason.startswith("The repository refuses these credentials (403")
    assert how == "Done so far: bump, git, dist. To go on: flask build_pypi --git --twine --tag"
    assert git(project, "tag") == ""

    index.users = {"__token__": TOKEN}
    release(git=True, twine=True, tag=True)
    assert len(index.files) == 2
    assert git(project.parent / "remote.git", "tag") == "v1.2.4"


@pytest.mark.slow
def test_a_package_that_cannot_be_built_says_why_and_keeps_the_old_files(project, release, built):
    (project / "setup.cfg").write_text(FILES["setup.cfg"].replace("packages = app", "packages = nowhere"))
    git(project, "commit", "--all", "--quiet", "--message", "break")

    with pytest.raises(ReleaseRefused, match="could not be built") as refused:
        release(dist=True)

    assert "nowhere" in refused.value.detail
    assert all(file.exists() for file in built)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, release):
    with pytest.raises(ReleaseRefused, match="no git checkout"):
        release(dist=True, root=tmp_path, package=PACKAGE)
