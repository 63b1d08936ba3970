"""Users, their passwords, and the first run."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from app.blueprints.accounts import services
from app.blueprints.accounts.errors import (
    BadPassword,
    BadToken,
    BadUsername,
    HasHistory,
    UnknownUser,
    UserExists,
)
from app.blueprints.accounts.models import Account, User
from app.blueprints.accounts.services import passwords, users
from app.config import ROOT
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory


@both_databases
def test_a_new_user_has_an_account_without_credit(work):
    user = services.create_user(work, "joe", "secret")

    assert user.account.balance_wh == 0
    assert not user.is_staff
    assert not user.account.may_charge()


def test_a_password_is_stored_as_an_argon2_hash(work):
    user = services.create_user(work, "joe", "secret")

    assert user.password.startswith("$argon2id$")


def test_name_and_password_prove_a_user(work):
    user = services.create_user(work, "joe", "secret")

    assert services.check_password(work, "joe", "secret") is user


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("joe", "Secret"),
        ("joe", ""),
        ("joe", "secret\0"),
        ("Joe", "secret"),
        ("nobody", "secret"),
        ("", ""),
        ("joe\0", "secret"),
        ("joe", "secret" * 1000),
        ("joe", "\ud800"),
        ("x" * 100_000, "secret"),
    ],
)
@both_databases
def test_a_wrong_name_or_password_proves_nothing(work, name, password):
    services.create_user(work, "joe", "secret")

    assert services.check_password(work, name, password) is None


def test_a_user_without_a_password_cannot_log_in_with_any(work):
    services.create_user(work, "joe")

    assert services.check_password(work, "joe", "") is None
    assert services.check_password(work, "joe", "nobody") is None


def test_a_locked_user_is_refused(work):
    users.lock(services.create_user(work, "joe", "secret"))

    assert services.check_password(work, "joe", "secret") is None


@pytest.mark.parametrize("name", ["joe", "nobody", "keyless", "locked"])
def test_a_password_is_hashed_exactly_once_whoever_is_asked_for(work, monkeypatch, name):
    services.create_user(work, "joe", "secret")
    services.create_user(work, "keyless")
    users.lock(services.create_user(work, "locked", "secret"))
    passwords.matches("", "warm up")
    hashed = []

    class Counting(PasswordHasher):
        def verify(self, hash, password):
            hashed.append(password)
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "hasher", Counting(time_cost=1, memory_cost=8, parallelism=1))
    services.check_password(work, name, "wrong")

    assert hashed == [b"wrong"]


@pytest.mark.parametrize("name", ["", " ", "a b", "joe\0", "joe\n", "x" * 151, "joe/..", "<b>", "ﷺ"])
def test_a_name_that_is_no_name_is_refused(work, name):
    with pytest.raises(BadUsername):
        services.create_user(work, name, "secret")


@pytest.mark.parametrize("name", ["joe@example.com", "joé", "x" * 150, "+52-81.1", "_"])
@both_databases
def test_a_name_may_have_letters_of_any_language_and_some_signs(work, name):
    assert services.create_user(work, name, "secret").username == name


@pytest.mark.parametrize("again", ["joe", "ｊｏｅ"])
def test_two_users_cannot_have_names_that_look_the_same(work, again):
    services.create_user(work, "joe", "secret")

    with pytest.raises(UserExists, match="joe"):
        services.create_user(work, again, "secret")


def test_a_huge_password_is_refused_before_it_is_hashed(work):
    with pytest.raises(BadPassword):
        services.create_user(work, "joe", "x" * 1025)


def test_a_new_password_ends_old_logins(work):
    user = services.create_user(work, "joe", "secret")
    before = user.get_id()

    services.set_password(user, "another")

    assert user.get_id() != before
    assert services.check_password(work, "joe", "secret") is None
    assert services.check_password(work, "joe", "another") is user


@both_databases
def test_a_hash_with_old_parameters_is_made_anew_and_logins_stay(work):
    user = services.create_user(work, "joe")
    user.password = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash("secret")
    work.flush()
    before, session = user.password, user.get_id()

    renewed = passwords.renewed(user.password, "secret")
    assert users.arrive(work, user.id, user.session_key, renewed)

    work.refresh(user)
    assert user.password != before
    assert user.get_id() == session
    assert services.check_password(work, "joe", "secret") is user
    assert passwords.renewed(user.password, "secret") == ""


@both_databases
def test_whoever_arrives_is_remembered(work, monkeypatch):
    now = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    monkeypatch.setattr(users, "utcnow", lambda: now)
    user = services.create_user(work, "joe", "secret")
    assert user.last_login is None

    assert users.arrive(work, user.id, user.session_key)

    work.refresh(user)
    assert user.last_login == now


@pytest.mark.parametrize("change", [users.lock, lambda user: services.set_password(user, "another")])
def test_a_lock_or_a_new_password_between_proof_and_arrival_keeps_somebody_out(work, change):
    user = services.create_user(work, "joe", "secret")
    proved = user.id, user.session_key

    change(user)
    work.flush()

    assert not users.arrive(work, *proved)
    users.unlock(user)
    work.flush()
    assert not users.arrive(work, *proved)
    work.refresh(user)
    assert user.last_login is None


def test_an_unknown_user_is_named_in_the_refusal(work):
    with pytest.raises(UnknownUser, match="there is no user joe"):
        services.get_user(work, "joe")


@both_databases
def test_the_first_run_makes_a_superuser_with_a_token(work):
    first = services.first_run(work, "admin", "secret", None)

    user = services.check_password(work, "admin", "secret")
    assert user is not None
    assert user.is_staff
    assert user.is_superuser
    assert first == services.FirstRun("admin", "secret", first.token)
    assert services.find_token(work, first.token).user is user
    assert len(first.token) >= 43


def test_the_first_run_takes_the_owners_token(work):
    first = services.first_run(work, "admin", "secret", "chosen-by-the-owner")

    assert first.token == "chosen-by-the-owner"
    assert services.find_token(work, "chosen-by-the-owner") is not None


@pytest.mark.parametrize("token", ["with space", "", "new\nline", "ñ"])
def test_a_token_that_no_header_can_carry_is_refused(work, token):
    with pytest.raises(BadToken):
        services.first_run(work, "admin", "secret", token)


def test_there_is_no_second_first_run(work):
    UserFactory()

    assert services.first_run(work, "admin", "secret", None) is None
    assert work.scalar(select(func.count()).select_from(User)) == 1


@both_databases
def test_a_user_who_left_no_trace_is_deleted_with_the_account(work):
    users.delete_user(work, UserFactory())

    assert work.scalar(select(func.count()).select_from(User)) == 0
    assert work.scalar(select(func.count()).select_from(Account)) == 0


def test_a_user_with_a_tag_is_not_deleted(work):
    tag = RFIDFactory()

    with pytest.raises(HasHistory):
        users.delete_user(work, tag.user)

    assert tag.user is not None


def test_hashing_does_not_hold_up_the_other_greenlets():
    script = """
from gevent import monkey; monkey.patch_all()
import time, gevent
from app.blueprints.accounts.services import passwords
passwords.hasher = passwords.PasswordHasher(time_cost=8, memory_cost=65536, parallelism=1)
ticks = []
def tick():
    while True:
        ticks.append(time.perf_counter())
        gevent.sleep(0.002)
gevent.spawn(tick)
start = time.perf_counter()
hash = passwords.hashed("secret")
assert passwords.matches(hash, "secret")
took = time.perf_counter() - start
pause = max(later - sooner for sooner, later in zip(ticks, ticks[1:]))
assert pause < took / 4, (pause, took)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
