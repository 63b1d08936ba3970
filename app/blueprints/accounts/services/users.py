"""Users: making, finding, recognising and removing them."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy import delete, exists, select, update

from app.blueprints.accounts.errors import (
    BadUsername,
    HasHistory,
    UnknownUser,
    UserExists,
    WrongPassword,
)
from app.blueprints.accounts.models import RFID, Account, ApiToken, Credit, User, Vehicle
from app.blueprints.accounts.services import audit, contact, passwords, tokens
from app.clock import utcnow
from app.db import UnitOfWork

USERNAME = re.compile(r"[\w.@+-]{1,150}")


@dataclass(frozen=True)
class FirstRun:
    """The first staff user, with the secrets in plain: the only time that anybody sees them."""

    username: str
    password: str
    token: str


def first_run(work: UnitOfWork, username: str, password: str, token: str | None = None) -> FirstRun | None:
    """Make the first staff user and an API token, unless there is any user already."""
    if work.scalar(select(exists().select_from(User))):
        return None
    user = create_user(work, username, password, is_staff=True, is_superuser=True)
    _, plain = tokens.create_token(work, user, "first run", token)
    return FirstRun(user.username, password, plain)


def create_user(
    work: UnitOfWork,
    username: str,
    password: str | None = None,
    *,
    password_hash: str = "",
    is_staff: bool = False,
    is_superuser: bool = False,
    email: str = "",
) -> User:
    """Make a user and their account. Without a password they can only use tags and tokens.

    ``password_hash`` instead of ``password``, where others would wait for the hashing.

    Raises ``BadUsername``, ``UserExists`` or ``BadPassword``.
    """
    username = cleaned_username(username)
    if find_user(work, username):
        raise UserExists(username)
    user = User(username=username, email=email, is_staff=is_staff, is_superuser=is_superuser)
    user.account = Account(credited_wh=0, spent_wh=0)
    set_hash(user, password_hash or passwords.hashed(password or ""))
    work.add(user)
    work.flush()  # callers name the user by id
    return user


def cleaned_username(username: str) -> str:
    """The name in the one form that is stored: lookalikes of one name are one name."""
    name = unicodedata.normalize("NFKC", username)
    if not USERNAME.fullmatch(name):
        raise BadUsername
    return name


def find_user(work: UnitOfWork, username: str) -> User | None:
    """The user with this name, in whichever form it was typed."""
    name = unicodedata.normalize("NFKC", username)
    if not USERNAME.fullmatch(name):
        return None
    return work.scalar(select(User).where(User.username == name))


def get_user(work: UnitOfWork, username: str) -> User:
    """The user with this name. Raises ``UnknownUser``."""
    user = find_user(work, username)
    if user is None:
        raise UnknownUser(username)
    return user


def set_password(user: User, password: str) -> None:
    """Change the password and end every login that was made before."""
    set_hash(user, passwords.hashed(password))


def set_hash(user: User, password_hash: str) -> None:
    """Change the password to one that was hashed beforehand: a unit of work does not wait for that."""
    user.password = password_hash
    _end_logins(user)


def check_password(work: UnitOfWork, username: str, password: str) -> User | None:
    """The user whom name and password prove; refusing takes as long whether or not there is such a user."""
    user = find_user(work, username)
    matched = passwords.matches(user.password if user else "", password)
    return user if user and matched and user.is_active else None


def arrive(work: UnitOfWork, user_id: int, session_key: str, new_hash: str = "") -> bool:
    """Remember that a user logs in now. False: they were locked, or had a new password, since they proved it.

    ``new_hash`` is the password that has just matched, hashed with today's parameters: its logins stay.
    """
    still = User.id == user_id, User.session_key == session_key, User.is_active.is_(True)
    values = {"last_login": utcnow(), **({"password": new_hash} if new_hash else {})}
    arrived = update(User).where(*still).values(values).returning(User.id)
    return work.scalar(arrived.execution_options(synchronize_session=False)) is not None


def change_password(work: UnitOfWork, user: User, session_key: str, new_hash: str) -> None:
    """Replace the password that was proved with ``session_key`` in force, and end every login of the user.

    Raises ``WrongPassword`` when it has been replaced since, or the user was locked.
    """
    work.refresh(user, with_for_update=True)
    if user.session_key != session_key or not user.is_active:
        raise WrongPassword
    set_hash(user, new_hash)
    audit.record(work, user, "change password", "user", user.id)


def lock(user: User) -> None:
    """Refuse every login and token of a user from now on; sessions do not come back with an unlock."""
    user.is_active = False
    _end_logins(user)


def _end_logins(user: User) -> None:
    """End sessions, and the links that would have begun one."""
    user.session_key = secrets.token_hex(16)
    user.invited_at = user.reset_asked_at = None


def unlock(user: User) -> None:
    """Let a locked user in again."""
    user.is_active = True


def delete_user(work: UnitOfWork, user: User, by: User | None = None) -> None:
    """Remove a user who has left no trace, with the empty account and an address that nobody shares.

    Raises ``HasHistory`` otherwise. What the tables of other domains refer to is refused by the database.
    """
    of_account = Account.user_id == user.id
    traces = {
        gettext("RFID tags"): select(RFID.id).where(RFID.user_id == user.id),
        gettext("API tokens"): select(ApiToken.id).where(ApiToken.user_id == user.id),
        gettext("Credits"): select(Credit.id).join(Account).where(of_account),
        gettext("Vehicles"): select(Vehicle.id).join(Account).where(of_account),
    }
    if found := [name for name, trace in traces.items() if work.scalar(trace.limit(1))]:
        raise HasHistory(user.username, found)
    address_id = user.address_id
    work.execute(delete(Account).where(of_account))
    work.execute(delete(User).where(User.id == user.id))
    if address_id is not None:
        contact.remove_if_empty(work, address_id, by)
