"""The command that builds README.md."""

from __future__ import annotations

import pytest

from app.blueprints.readme import cli


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A README.md of our own, to be built from the project's parts."""
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    return tmp_path / "README.md"


def test_it_writes_the_file_and_then_finds_nothing_to_do(app, file):
    runner = app.test_cli_runner()

    assert runner.invoke(args=["build_readme"]).output == "README.md written.\n"
    assert runner.invoke(args=["build_readme"]).output == "README.md is up to date.\n"
    assert runner.invoke(args=["build_readme", "--check"]).exit_code == 0


def test_check_says_what_to_run_and_changes_nothing(app, file):
    file.write_text("old")

    result = app.test_cli_runner().invoke(args=["build_readme", "--check"])

    assert result.exit_code == 1
    assert "flask build_readme" in result.output
    assert file.read_text() == "old"
