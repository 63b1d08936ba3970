"""The staff screens of users and tokens."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import RFID, Account, ApiToken, AuditEntry, User
from app.blueprints.accounts.services import (
    add_credit,
    check_password,
    create_token,
    create_user,
    find_token,
    set_password,
)
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import RFIDFactory, TransactionFactory, UserFactory


@both_databases
def test_staff_make_a_user_with_account_and_password(staff, work):
    answer = staff.submit(
        "/admin/users/new/", {"username": "joe", "new_password": "secret of joe", "is_active": "y"}
    )

    assert answer.status_code == 302
    user = check_password(work, "joe", "secret of joe")
    assert user.account.balance_wh == 0
    assert not user.is_staff
    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.username, entry.action, entry.subject, entry.subject_id) == (
        "staff",
        "create",
        "user",
        str(user.id),
    )
    assert entry.details["username"] == [None, "joe"]
    assert entry.details["password"] == "changed"
    assert "$argon2" not in str(entry.details)
    assert "secret of joe" not in str(entry.details)


@pytest.mark.parametrize("name", ["", "a b", "joe\0", "x" * 151, "mary"])
def test_a_user_that_cannot_be_is_not_made(staff, work, name):
    UserFactory(username="mary")

    answer = staff.submit("/admin/users/new/", {"username": name, "new_password": "secret of joe"})

    assert answer.status_code == 200
    assert count(work, User) == 2
    assert "secret of joe" not in answer.text


def test_a_short_password_is_refused(staff, work):
    assert staff.submit("/admin/users/new/", {"username": "joe", "new_password": "short"}).status_code == 200
    assert count(work, User) == 1


def test_the_password_is_never_shown(staff, work):
    user = create_user(work, "joe", "secret of joe")

    for address in ("", f"edit/?id={user.id}", f"details/?id={user.id}"):
        page = staff.get(f"/admin/users/{address}").text
        assert "joe" in page
        assert "argon2" not in page
        assert user.session_key not in page


@both_databases
def test_an_edit_without_a_password_keeps_it(staff, work):
    user = create_user(work, "joe", "secret of joe")
    before = user.get_id()

    staff.submit(
        f"/admin/users/edit/?id={user.id}", {"username": "joe", "email": "j@example.com", "is_active": "y"}
    )

    assert check_password(work, "joe", "secret of joe") is user
    assert (user.email, user.get_id()) == ("j@example.com", before)
    entry = work.scalars(select(AuditEntry)).one()
    assert entry.details == {"email": ["", "j@example.com"]}


def test_a_new_password_ends_the_users_logins(staff, client, work):
    user = create_user(work, "joe", "secret of joe")
    client.log_in(user)

    data = {"username": "joe", "new_password": "another secret", "is_active": "y"}
    staff.submit(f"/admin/users/edit/?id={user.id}", data)

    assert check_password(work, "joe", "another secret") is user
    assert client.get("/admin/").status_code == 302  # a stranger again, else 403
    assert work.scalars(select(AuditEntry)).one().details == {"password": "changed", "session_key": "changed"}


def test_an_edit_that_changes_nothing_leaves_no_trace(staff, work):
    user = UserFactory(username="joe")

    assert (
        staff.submit(f"/admin/users/edit/?id={user.id}", {"username": "joe", "is_active": "y"}).status_code
        == 302
    )
    assert actions(work) == []


def test_staff_who_change_their_own_password_stay_logged_in_here(staff, work):
    me = work.scalars(select(User)).one()

    data = {"username": "staff", "new_password": "another secret", "is_active": "y", "is_staff": "y"}
    staff.submit(f"/admin/users/edit/?id={me.id}", data)

    assert check_password(work, "staff", "another secret") is me
    assert staff.get("/admin/users/").status_code == 200


@both_databases
def test_staff_cannot_lock_themselves_out(staff, act, work):
    me = work.scalars(select(User)).one()

    for data in ({"username": "staff", "is_staff": "y"}, {"username": "staff", "is_active": "y"}):
        assert "lock yourself out" in messages(staff.submit(f"/admin/users/edit/?id={me.id}", data))
    for answer in (
        act("users", "lock", UserFactory(), me),
        act("users", "delete", me),
        staff.submit("/admin/users/delete/", {"id": me.id}, follow_redirects=True),
    ):
        assert "lock yourself out" in messages(answer)
    assert all(user.is_active for user in work.scalars(select(User)))
    assert me.is_staff
    assert actions(work) == []


@both_databases
def test_locking_ends_logins_and_tokens(act, client, work):
    user = UserFactory(username="joe")
    _, plain = create_token(work, user)
    client.log_in(user)

    assert "1 user locked." in messages(act("users", "lock", user))

    assert find_token(work, plain) is None
    assert client.get("/admin/").status_code == 302
    assert actions(work) == [("staff", "lock", "user")]
    act("users", "unlock", user)
    assert find_token(work, plain) is not None
    assert client.get("/admin/").status_code == 302


@both_databases
def test_a_user_without_a_trace_is_deleted(staff, work):
    user = UserFactory(username="joe")

    answer = staff.submit("/admin/users/delete/", {"id": user.id}, follow_redirects=True)

    assert "success" in messages(answer)
    assert count(work, User) == count(work, Account) == 1
    assert actions(work) == [("staff", "delete", "user")]


@both_databases
def test_users_with_history_are_not_deleted_and_the_others_are(act, work):
    with_tag, with_charge, with_credit = RFIDFactory().user, TransactionFactory().account.user, UserFactory()
    with_act, without = UserFactory(), UserFactory()
    add_credit(work, with_credit.account, Decimal(1), None)
    work.add(AuditEntry(user_id=with_act.id, action="x"))

    answer = act("users", "delete", with_tag, with_charge, with_credit, with_act, without)

    assert messages(answer).count("has history") == 4
    assert "1 deleted." in messages(answer)
    assert count(work, User) == 5  # with the member of staff
    assert count(work, RFID) == 1
    assert work.scalars(select(RFID)).one().user is with_tag


@both_databases
def test_a_token_is_shown_once(staff, work):
    user = UserFactory(username="joe")

    answer = staff.submit("/admin/tokens/new/", {"user": user.id, "name": "reader"}, follow_redirects=True)

    plain = re.search(r"shown only now: ([\w-]{43})", messages(answer))[1]
    token = find_token(work, plain)
    assert (token.user, token.name) == (user, "reader")
    for address in ("", f"details/?id={token.id}"):
        page = staff.get(f"/admin/tokens/{address}").text
        assert plain not in page
        assert token.token_hash not in page
    entry = work.scalars(select(AuditEntry)).one()
    assert entry.details["token_hash"] == "changed"
    assert plain not in str(entry.details)


@pytest.mark.parametrize("user", ["", "999", "x"])
def test_a_token_needs_a_user(staff, work, user):
    assert staff.submit("/admin/tokens/new/", {"user": user, "name": "x"}).status_code == 200
    assert count(work, ApiToken) == 0


def test_tokens_are_revoked_but_not_edited_or_deleted(staff, act, work):
    token, plain = create_token(work, UserFactory())

    staff.submit(f"/admin/tokens/edit/?id={token.id}", {"name": "stolen"})
    staff.submit("/admin/tokens/delete/", {"id": token.id})
    act("tokens", "delete", token)
    assert find_token(work, plain) is token
    assert token.name == ""

    assert "1 token revoked." in messages(act("tokens", "revoke", token))
    assert find_token(work, plain) is None
    assert actions(work) == [("staff", "revoke", "api_token")]


def test_own_password_change_does_not_carry_over_to_others(staff, client, work):
    me = work.scalars(select(User)).one()
    client.log_in(me)

    set_password(me, "another secret")

    assert client.get("/admin/").status_code == 302
