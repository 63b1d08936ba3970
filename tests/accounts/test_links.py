"""Links by which a password is chosen: what they are good for, and when they end."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.blueprints.accounts.errors import DeadLink
from app.blueprints.accounts.services import invitations, links, set_password, users
from app.blueprints.accounts.services.links import INVITATION, RESET, Issuer
from app.db import db, unit_of_work
from tests.databases import both_databases
from tests.factories import UserFactory

ISSUER = Issuer("a secret key", "https://charge.example", "en")
KINDS = pytest.mark.parametrize("kind", [INVITATION, RESET], ids=lambda kind: kind.name)


@pytest.fixture
def user(work):
    found = UserFactory(username="joe", email="joe@example.com")
    work.commit()
    return found


@pytest.fixture
def at(monkeypatch):
    """Hold time still, at a moment after the first."""
    first = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def hold(**later):
        monkeypatch.setattr(links, "utcnow", lambda: first + timedelta(**later))

    hold()
    return hold


def token_of(work, user, kind):
    link = links.make(ISSUER, kind, user)
    work.commit()
    return link.removeprefix("https://charge.example/login/set-password/").removesuffix("/")


def works(work, token, issuer=ISSUER):
    try:
        return links.owner(work, issuer, token).username == "joe"
    except DeadLink:
        return False


@KINDS
@both_databases
def test_a_link_leads_to_its_user_as_often_as_it_is_opened(work, user, kind):
    token = token_of(work, user, kind)

    assert works(work, token)
    assert works(work, token)


@KINDS
@both_databases
def test_a_link_is_used_once(work, user, kind):
    token = token_of(work, user, kind)

    assert invitations.choose_password(work, ISSUER, token, "a hash") is user
    assert user.password == "a hash"
    with pytest.raises(DeadLink):
        invitations.choose_password(work, ISSUER, token, "another hash")
    assert user.password == "a hash"


@pytest.mark.parametrize(("kind", "hours"), [(INVITATION, 72), (RESET, 1)])
@both_databases
def test_a_link_ends_by_itself(work, user, at, kind, hours):
    token = token_of(work, user, kind)

    at(hours=hours, microseconds=-1)
    assert works(work, token)
    at(hours=hours)
    assert not works(work, token)
    at(microseconds=-1)
    assert not works(work, token)


@KINDS
@both_databases
def test_a_newer_link_of_its_kind_ends_it(work, user, at, kind):
    old = token_of(work, user, kind)
    at(microseconds=1)
    new = token_of(work, user, kind)

    assert not works(work, old)
    assert works(work, new)


@KINDS
def test_a_link_of_the_other_kind_leaves_it(work, user, kind):
    token = token_of(work, user, kind)
    other = token_of(work, user, RESET if kind is INVITATION else INVITATION)

    assert works(work, token)
    assert works(work, other)


def _new_password(user):
    set_password(user, "another secret")


def _lock(user):
    users.lock(user)


def _lock_and_unlock(user):
    users.lock(user)
    users.unlock(user)


def _another_address(user):
    user.email = "mary@example.com"


@pytest.mark.parametrize("change", [_new_password, _lock, _lock_and_unlock, _another_address])
@KINDS
def test_a_link_ends_when_the_user_is_not_as_they_were(work, user, kind, change):
    token = token_of(work, user, kind)

    change(user)
    work.commit()

    assert not works(work, token)


def test_using_one_link_ends_the_other(work, user):
    invitation, reset = token_of(work, user, INVITATION), token_of(work, user, RESET)

    invitations.choose_password(work, ISSUER, reset, "a hash")

    assert not works(work, invitation)


def test_a_deleted_user_has_no_link(work, user):
    token = token_of(work, user, RESET)

    users.delete_user(work, user)

    assert not works(work, token)


def test_another_installation_signs_differently(work, user):
    token = token_of(work, user, RESET)

    assert not works(work, token, replace(ISSUER, secret_key="another key"))


@KINDS
def test_no_character_of_a_link_may_be_changed(work, user, kind):
    other = UserFactory(email="mary@example.com")
    token = token_of(work, user, kind)
    token_of(work, other, kind)

    for place, character in enumerate(token):
        for instead in {"A", "x", "1", "-", ".", ""} - {character}:
            # Of the last one, base64 leaves two bits out.
            if place < len(token) - 1 or not instead:
                assert not works(work, token[:place] + instead + token[place + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "-", "reset", "reset-1", "reset-1.", "reset-.x", "reset-1.x", "reset-0.x", "reset--1.x",
        "x-1.x",
        "reset-99999999999999999999.x", "reset-1.x.y", "reset-1 .x", "reset-1.x\n", "reset-١.x", "reset-1.ñ",
        "reset-1.\0", "invitation-1." + "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_link_leads_nowhere(work, user, token):
    token_of(work, user, RESET)

    assert not works(work, token)


def test_a_kind_cannot_be_changed_into_the_other(work, user):
    """An invitation lives longer."""
    reset = token_of(work, user, RESET)
    token_of(work, user, INVITATION)

    assert not works(work, reset.replace("reset", "invitation"))


def test_the_link_holds_nothing_of_the_user_but_the_id(work, user):
    user.password = "$argon2id$not to be seen"
    token = token_of(work, user, RESET)

    assert token.partition(".")[0] == f"reset-{user.id}"
    assert user.session_key not in token
    assert len(token.partition(".")[2]) == 43  # SHA-256


@both_databases
def test_of_two_who_use_a_link_at_once_one_is_too_late(app, work, user):
    token = token_of(work, user, INVITATION)
    start = threading.Barrier(4)
    used = []

    def use(n):
        with app.app_context():
            try:
                start.wait()
                with unit_of_work() as own:
                    invitations.choose_password(own, ISSUER, token, f"hash {n}")
                used.append(f"hash {n}")
            except DeadLink:
                used.append("")
            finally:
                db.session.remove()

    threads = [threading.Thread(target=use, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    work.expire_all()
    assert sorted(used)[:3] == ["", "", ""]
    assert user.password == sorted(used)[3]
