"""Staff invite people by mail, and see who has come."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import AuditEntry, User
from app.blueprints.accounts.services import users
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _letters(letters):
    """Letters are collected."""


def create(staff, **fields):
    data = {"username": "joe", "email": "joe@example.com", "is_active": "y", "send_invitation": "y"}
    return staff.submit("/admin/users/new/", data | fields, follow_redirects=True)


def path_of(letter):
    return letter.context["link"].removeprefix("http://localhost:8000")


@both_databases
def test_a_user_is_made_and_invited_and_comes(staff, client, work, letters):
    answer = create(staff)

    assert "1 user invited." in messages(answer)
    (letter,) = letters
    assert (letter.to, letter.template, letter.private) == ("joe@example.com", "invitation", True)
    assert letter.context["hours"] == "72"
    user = work.scalars(select(User).where(User.username == "joe")).one()
    assert user.password == ""
    assert actions(work) == [("staff", "invite", "user"), ("staff", "create", "user")]
    data = {"new_password": "secret of joe", "again": "secret of joe"}
    assert client.submit(path_of(letter), data).status_code == 302
    work.refresh(user)
    assert user.last_login is not None
    assert client.get("/login/change-password/").status_code == 200


@both_databases
def test_those_who_are_there_already_are_invited_by_an_action(act, work, letters):
    joe, mary = UserFactory(email="joe@example.com", language="es"), UserFactory(email="mary@example.com")

    answer = act("users", "invite", joe, mary)

    assert "2 users invited." in messages(answer)
    assert [(letter.to, letter.subject) for letter in letters] == [
        ("joe@example.com", "Su acceso en {site}"),
        ("mary@example.com", "Your login at {site}"),
    ]
    entries = work.scalars(select(AuditEntry)).all()
    assert [(entry.username, entry.action, entry.subject_id) for entry in entries] == [
        ("staff", "invite", str(joe.id)),
        ("staff", "invite", str(mary.id)),
    ]
    assert "invitation-" not in str([entry.details for entry in entries])


def test_a_second_invitation_ends_the_first(act, client, work, letters):
    joe = UserFactory(email="joe@example.com")

    act("users", "invite", joe)
    act("users", "invite", joe)

    first, second = letters
    assert client.get(path_of(first)).status_code == 410
    assert client.get(path_of(second)).status_code == 200


@both_databases
def test_who_cannot_be_written_to_is_named_and_nobody_is_invited(act, work, letters):
    joe, mary = UserFactory(email="joe@example.com"), UserFactory(username="mary")

    answer = act("users", "invite", joe, mary)

    assert "mary has no email address" in messages(answer)
    assert "invited" not in messages(answer)
    assert joe.invited_at is None
    assert actions(work) == []


def test_the_locked_are_not_invited(act, work, letters):
    joe = UserFactory(username="joe", email="joe@example.com")
    users.lock(joe)

    assert "joe is locked" in messages(act("users", "invite", joe))
    assert letters == []


def test_an_address_that_is_none_makes_nobody(staff, work, letters):
    answer = create(staff, email="no address")

    assert "this is not an email address" in answer.text
    assert count(work, User) == 1
    assert 'value="no address"' in answer.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [({"email": ""}, "An invitation needs an email address."), ({"is_active": ""}, "A locked user cannot")],
)
def test_an_invitation_that_cannot_be_is_told_next_to_its_tick(staff, work, letters, fields, sentence):
    answer = create(staff, **fields)

    assert sentence in answer.text
    assert count(work, User) == 1
    assert letters == []


def test_without_the_tick_nobody_is_invited(staff, work, letters):
    create(staff, send_invitation="")

    assert count(work, User) == 2
    assert letters == []


def test_a_user_who_is_there_has_no_tick(staff, work, letters):
    joe = UserFactory(username="joe", email="joe@example.com")

    assert "send_invitation" in staff.get("/admin/users/new/").text
    assert "send_invitation" not in staff.get(f"/admin/users/edit/?id={joe.id}").text
    data = {"username": "joe", "email": "joe@example.com", "is_active": "y", "send_invitation": "y"}
    staff.submit(f"/admin/users/edit/?id={joe.id}", data)
    assert letters == []


def test_staff_are_told_that_letters_wait_while_there_is_no_mail_server(staff, act, app, work):
    joe = UserFactory(email="joe@example.com")
    assert "No mail server is set up (SMTP_HOST)" in messages(act("users", "invite", joe))
    assert "No mail server is set up (SMTP_HOST)" in messages(create(staff))
    assert "No mail server is set up (SMTP_HOST)" in staff.get("/admin/users/new/").text

    app.config["SMTP_HOST"] = "mail.example"

    assert "No mail server" not in staff.get("/admin/users/new/").text

    assert "No mail server" not in messages(act("users", "invite", joe))


def test_lists_say_who_has_come_and_who_was_only_asked(staff, work):
    here = UserFactory(last_login=datetime(2026, 5, 1, 8, 30, tzinfo=UTC))
    asked = UserFactory(invited_at=datetime(2026, 4, 1, 9, 0, tzinfo=UTC))
    page = staff.get("/admin/users/?sort=6").text

    assert "May 1, 2026, 8:30:00\u202fAM" in page
    assert "never; invited Apr 1, 2026, 9:00:00\u202fAM" in page
    for user, words in (
        (here, "May 1, 2026, 8:30:00\u202fAM"),
        (asked, "never; invited Apr 1, 2026, 9:00:00\u202fAM"),
    ):
        assert words in staff.get(f"/admin/users/details/?id={user.id}").text
    assert re.search(r">\s*never\s*<", page)  # staff, who came by no door of ours
