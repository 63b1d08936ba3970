"""What must be true before the site serves: a current database, and somebody who can log in."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FirstUser:
    """The staff user that the first start made; a secret that the environment gave is None here."""

    username: str
    password: str | None
    token: str | None

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything that only we know."""
        return bool(self.password or self.token)

    def lines(self) -> list[str]:
        """As shown to the owner."""
        return [
            f"  User name  {self.username}",
            f"  Password   {self.password or 'as given in ADMIN_PASSWORD'}",
            f"  API token  {self.token or 'as given in API_TOKEN'}",
        ]


def is_current(settings: Mapping[str, Any]) -> bool:
    """Whether every migration has been applied. Cheap: it does not build the application."""
    from alembic.script import ScriptDirectory

    from app.config import MIGRATIONS

    heads = set(ScriptDirectory(str(MIGRATIONS)).get_heads())
    return _applied(settings) == heads


def revision(settings: Mapping[str, Any]) -> str:
    """Where the database stands; empty before its first migration."""
    return ",".join(sorted(_applied(settings)))


def _applied(settings: Mapping[str, Any]) -> set[str]:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import NullPool, create_engine, make_url

    url = make_url(settings["SQLALCHEMY_DATABASE_URI"])
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return set()
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads())


def prepare(settings: Mapping[str, Any], *, migrate: bool) -> FirstUser | None:
    """Apply migrations, then make the first staff user unless there is one.

    New secrets are on disk before the database knows them, so that a crash cannot lose them.
    """
    from app import create_app
    from app.db import unit_of_work

    user = None
    with create_app().app_context():
        if migrate:
            apply_migrations()
        try:
            with unit_of_work() as work:
                user = _first_user(work)
                if user is not None and user.has_secrets:
                    _write(secrets_file(settings), user)
        except BaseException:  # a Ctrl-C, too
            if user is not None:  # then the file is ours, and its user never came to be
                secrets_file(settings).unlink(missing_ok=True)
            raise
    return user


def apply_migrations() -> None:
    """As ``flask db upgrade`` does, which would only log why it failed, and end the process."""
    from alembic import command
    from flask import current_app

    command.upgrade(current_app.extensions["migrate"].migrate.get_config(), "head")


def secrets_file(settings: Mapping[str, Any]) -> Path:
    """Where new secrets wait until their owner has seen them."""
    return Path(settings["INSTANCE_PATH"]).resolve() / "first-run-secrets.txt"


def _first_user(work: Any) -> FirstUser | None:
    from app.blueprints.accounts import services

    given_password, given_token = os.environ.get("ADMIN_PASSWORD"), os.environ.get("API_TOKEN")
    made = services.first_run(
        work,
        username=os.environ.get("ADMIN_USERNAME") or "admin",
        password=given_password or secrets.token_urlsafe(12),
        token=given_token or None,
    )
    if made is None:
        return None
    return FirstUser(
        made.username,
        None if given_password else made.password,
        None if given_token else made.token,
    )


def _write(file: Path, user: FirstUser) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(
            "\n".join(["The first staff user. Delete this file once you have kept them.", *user.lines(), ""])
        )
        out.flush()
        os.fsync(out.fileno())
