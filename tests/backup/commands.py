"""Backing up and restoring, in a line."""

from __future__ import annotations

import tarfile

import pytest
from sqlalchemy import select

from app.backup import making, restoring
from app.blueprints.accounts.models import User
from app.db import db

may_restore = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("own", marks=pytest.mark.postgres)], indirect=True
)


def back_up(app, target):
    file, manifest = making.make(db.engine, app.config, target)
    db.session.rollback()
    return file, manifest


def restore(app, path):
    db.session.rollback()
    with restoring.opened(db.engine, app.config, path) as opened:
        return restoring.put(db.engine, app.config, opened)


def members(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


def users(work):
    work.rollback()
    return work.scalars(select(User.username).order_by(User.id)).all()
