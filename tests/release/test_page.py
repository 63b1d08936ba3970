"""What people see of a release: the staff page, the footer, the metrics, the commands, the metadata."""

from __future__ import annotations

import configparser

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import metrics, version
from app.blueprints.release import DEFAULT_PACKAGE, changelog, services
from app.blueprints.release.contents import Part
from app.config import ROOT
from tests.release.conftest import git


def test_the_metadata_is_that_of_setup_cfg():
    settings = configparser.RawConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    told = dict(settings["metadata"])

    assert {name: told.get(name) for name in DEFAULT_PACKAGE.metadata()} == DEFAULT_PACKAGE.metadata()
    assert settings["options"]["python_requires"] == DEFAULT_PACKAGE.python_requires


def test_the_test_tools_include_those_of_a_release():
    settings = configparser.RawConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = {name: set(text.split()) for name, text in settings["options.extras_require"].items()}
    assert extras["release"] <= extras["test"]


def test_staff_see_version_changes_and_contents(staff):
    page = staff.get("/admin/releases/").text

    assert version.__version__ in page
    assert "Chargers connect by OCPP 1.6J" in page
    assert "app/migrations/versions/0001_the_backbone.py" in page
    assert "app/translations/es/LC_MESSAGES/messages.mo" in page
    assert "build_pypi --all" in page
    assert "<code>constellation</code>" in page


def test_the_page_is_for_staff(client):
    assert client.get("/admin/releases/").location.startswith("/login/?next=")


def test_changes_and_the_last_release_are_shown(project):
    git(project, "tag", "v1.2.3")
    (project / "README.md").write_text("changed")

    found = services.overview(project)

    assert (found.changes, found.last_tag) == (("README.md",), "v1.2.3")
    assert [(section.version, section.day) for section in found.sections] == [
        ("", ""),
        ("1.2.3", "2026-01-31"),
    ]
    assert Part("app/version.py", (project / "app/version.py").stat().st_size) in found.parts["code"]


def test_a_folder_without_git_or_changelog_is_shown_all_the_same(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "x.py").write_text("")
    found = services.overview(tmp_path)
    assert (found.changes, found.last_tag, found.sections) == (None, "", ())
    assert found.parts["code"] == [Part("app/x.py", 0)]


def test_entries_of_several_lines_are_one():
    text = "# C\n\nWords.\n\n## Unreleased\n\n- one\n  more\n* two\n\n## 1.0 - 2026-01-02\n"
    assert changelog.sections(text)[0].entries == ("one more", "two")


def test_our_own_changelog_can_be_released():
    text = (ROOT / changelog.FILE).read_text(encoding="utf-8")
    told = changelog.released(text, "99.0", "2030-01-31")
    unreleased, newest, *_ = changelog.sections(told)
    assert (unreleased.entries, newest.version, newest.day) == ((), "99.0", "2030-01-31")
    assert newest.entries == changelog.sections(text)[0].entries


def test_every_page_says_the_version_and_the_commit(client):
    assert version.__version__ in client.get("/").text
    if version.commit():
        assert version.short_commit() in client.get("/").text


def test_the_commit_is_the_one_that_is_checked_out(project, monkeypatch):
    head = git(project, "rev-parse", "HEAD")
    git(project, "worktree", "add", "--quiet", "-b", "other", "../other")
    for place in (project, project.parent / "other"):
        assert version._head(place / ".git") == head
    git(project, "pack-refs", "--all")
    assert version._head(project / ".git") == head
    git(project, "checkout", "--quiet", "--detach")
    assert version._head(project / ".git") == head


def test_prometheus_is_told_what_runs(app):
    with app.app_context():
        families = {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}
    (sample,) = families["constellation_build_info"].samples
    assert sample.labels == {"version": version.__version__, "commit": version.commit()}


@pytest.fixture
def overrides(request):
    return getattr(request, "param", {})


def test_the_commands_say_version_and_what_is_wrong(app):
    run = app.test_cli_runner().invoke
    assert version.__version__ in run(args=["version"]).output
    refused = run(args=["build_pypi", "--twine"])
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: Missing PyPI credentials")
    assert run(args=["build_pypi"]).output.startswith("Error: Say what to do")


@pytest.mark.parametrize("overrides", [{"PYPI_API_TOKEN": "secret"}], indirect=True)
def test_a_secret_has_no_place_on_the_command_line(app):
    run = app.test_cli_runner().invoke
    asked = run(args=["build_pypi", "--help"]).output
    assert "--token" not in asked
    assert "--password" not in asked
    told = run(args=["build_pypi", "--twine", "--dist", "--dry-run", "--force"])
    assert told.exit_code == 0, told.output
    assert "secret" not in told.output
