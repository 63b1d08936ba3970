"""API tokens."""

from __future__ import annotations

import re

from sqlalchemy import select, text

from app.blueprints.accounts.models import ApiToken
from app.blueprints.accounts.services import create_token, find_token, revoke_token, users
from tests.databases import both_databases
from tests.factories import UserFactory


@both_databases
def test_a_token_finds_its_user(work):
    user = UserFactory()

    token, plain = create_token(work, user, "meter reader")

    assert find_token(work, plain) is token
    assert token.user is user


def test_a_token_has_256_random_bits_and_is_stored_as_a_hash(work):
    _, plain = create_token(work, UserFactory())

    assert re.fullmatch(r"[\w-]{43}", plain)
    row = work.execute(text("SELECT * FROM api_token")).one()
    assert plain not in map(str, row)
    assert re.fullmatch(r"[0-9a-f]{64}", work.scalar(select(ApiToken.token_hash)))


def test_a_revoked_token_finds_nobody_and_keeps_its_first_revocation(work):
    token, plain = create_token(work, UserFactory())

    revoke_token(token)
    first = token.revoked_on
    revoke_token(token)

    assert find_token(work, plain) is None
    assert token.revoked_on == first


def test_a_token_of_a_locked_user_finds_nobody(work):
    user = UserFactory()
    _, plain = create_token(work, user)

    users.lock(user)

    assert find_token(work, plain) is None


@both_databases
def test_what_is_no_token_finds_nobody(work):
    create_token(work, UserFactory())

    for text_ in ("", " ", "\0", "x" * 1_000_000, "' OR 1=1 --", "\ud800"):
        assert find_token(work, text_) is None
