"""What a password must be, wherever it is chosen."""

from __future__ import annotations

import pytest

from app.blueprints.accounts.common_passwords import COMMON
from app.blueprints.accounts.errors import BadPassword, CommonPassword, OwnName, ShortPassword
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import passwords
from tests.accounts.screens import count


@pytest.mark.parametrize(
    "password",
    ["correct horse", "battery staple", "tren azul 9", "xK3!pq9Z", "ñandúñandú", "        x", "12345679"],
)
def test_a_password_that_is_hard_to_guess_is_taken(password):
    passwords.check(password, username="joe", email="joe@example.com")


@pytest.mark.parametrize("password", ["", "seven77", "ñandúes"])
def test_fewer_than_eight_characters_are_too_few(password):
    with pytest.raises(ShortPassword, match="at least 8 characters"):
        passwords.check(password, username="joe")


@pytest.mark.parametrize(
    "password", ["maria.lopez", "MARIA.LOPEZ", "ｍaria.lopez", "mlopez-1990@example.com", "mlopez-1990"]
)
def test_what_everybody_knows_of_a_user_is_refused(password):
    with pytest.raises(OwnName):
        passwords.check(password, username="maria.lopez", email="MLopez-1990@example.com")


@pytest.mark.parametrize(
    "password",
    [
        *("password", "Password1", "PASSWORD2024!", "contraseña", "Contraseña123", "12345678", "87654321"),
        *("aaaaaaaa", "        ", "abcdefgh", "13579;=?", "qwertyuiop", "monterrey2024", "iloveyou"),
        "ｐassword",
    ],
)
def test_the_first_guesses_are_refused(password):
    with pytest.raises(CommonPassword):
        passwords.check(password, username="joe")


def test_a_huge_password_is_refused():
    with pytest.raises(BadPassword):
        passwords.check("x y" * 1000, username="joe")


def test_the_list_is_in_the_form_that_passwords_are_compared_in():
    assert len(COMMON) > 300
    assert {word for word in COMMON if word != word.casefold()} == set()


@pytest.mark.parametrize("password", ["short", "joe.of.the.hill", "password123", "12345678"])
def test_staff_and_the_command_line_are_held_to_it_too(staff, app, work, password):
    name = "joe.of.the.hill"

    answer = staff.submit("/admin/users/new/", {"username": name, "new_password": password})
    command = app.test_cli_runner().invoke(args=["users", "create", name, "--password", password])

    assert answer.status_code == 200
    assert "has-error" in answer.text or "invalid-feedback" in answer.text
    assert password not in answer.text.replace(name, "") or password == name
    assert command.exit_code == 1
    assert command.output.startswith("Error: ")
    assert count(work, User) == 1
