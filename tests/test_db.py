"""The unit of work, at its edges."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import create_user
from app.db import unit_of_work
from tests.databases import both_databases


def _within_another() -> None:
    with unit_of_work() as outer:
        create_user(outer, "ann")
        with unit_of_work():
            pass


@both_databases
def test_a_unit_of_work_within_another_is_refused_and_costs_nothing_silently(app, work):
    with pytest.raises(RuntimeError, match="within another"):
        _within_another()
    assert work.scalar(select(func.count(User.id))) == 0

    with unit_of_work() as again:
        create_user(again, "ben")
    assert work.scalars(select(User.username)).all() == ["ben"]
