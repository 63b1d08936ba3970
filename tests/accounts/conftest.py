"""Fixtures of the accounts tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def act(staff):
    """Run an action on rows, as the list's form does."""

    def run(screen, name, *rows):
        data = {"action": name, "rowid": [str(row.id) for row in rows]}
        return staff.submit(f"/admin/{screen}/action/", data, follow_redirects=True)

    return run
