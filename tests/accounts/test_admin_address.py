"""The section of the staff's user form that asks where somebody lives."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import Address, AuditEntry, User
from tests.accounts.screens import count, messages
from tests.databases import both_databases
from tests.factories import AddressFactory, UserFactory

HOME = {
    "street": "Av. Uno",
    "number": "12",
    "state": "NL",
    "municipality": "Monterrey",
    "postal_code": "64000",
}
EMPTY = dict.fromkeys(HOME, "")
JOE = {"username": "joe", "is_active": "y"}


@pytest.fixture
def joe(staff, work):
    """A driver."""
    return UserFactory(username="joe")


def edit(staff, user, data):
    return staff.submit(f"/admin/users/edit/?id={user.id}", JOE | data)


def errors(page):
    """Field → what stands next to it."""
    fields = re.findall(
        r'name="(\w+)"(?:(?!name=).)*?<div class="invalid-feedback">(.*?)</div>', page.text, re.S
    )
    return {name: " ".join(re.findall(r"<li>(.*?)</li>", text)) for name, text in fields}


def trail(work):
    entries = work.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.username, entry.action, entry.subject) for entry in entries]


@both_databases
def test_a_user_is_made_with_an_address(staff, work):
    assert staff.submit("/admin/users/new/", JOE | HOME).status_code == 302

    user = work.scalars(select(User).where(User.username == "joe")).one()
    assert str(user.address) == "Av. Uno 12, 64000 Monterrey, NL"
    assert trail(work) == [("staff", "create", "address"), ("staff", "create", "user")]


@both_databases
def test_it_is_moved_and_taken_away(staff, joe, work):
    edit(staff, joe, HOME)
    first = joe.address.id
    page = staff.get(f"/admin/users/edit/?id={joe.id}").text
    assert 'value="Av. Uno"' in page
    assert re.search(r'<option data-state="NL" selected value="Monterrey">', page)

    edit(staff, joe, HOME | {"state": "CO", "municipality": "Saltillo"})
    assert (joe.address.id, joe.address.municipality) == (first, "Saltillo")
    edit(staff, joe, EMPTY)

    work.expire_all()
    assert joe.address is None
    assert count(work, Address) == 0
    assert ("staff", "delete", "address") in trail(work)


@both_databases
def test_a_municipality_of_the_other_state_is_an_error_next_to_it(staff, joe, work):
    page = edit(staff, joe, HOME | {"municipality": "Saltillo"})

    assert page.status_code == 200
    assert errors(page) == {"municipality": "Saltillo does not lie in Nuevo León"}
    assert 'value="Av. Uno"' in page.text
    assert joe.address is None
    assert trail(work) == []


def test_a_new_user_with_a_wrong_address_is_not_made(staff, work):
    page = staff.submit("/admin/users/new/", JOE | HOME | {"municipality": "Puebla"})

    assert errors(page) == {"municipality": "Puebla does not lie in Nuevo León"}
    assert count(work, User) == 1


def test_what_is_missing_is_said_next_to_each(staff, joe):
    page = edit(staff, joe, EMPTY | {"street": "Av. Uno", "state": "NL", "email": "nonsense"})

    missing = dict.fromkeys(("number", "municipality", "postal_code"), "must not be empty")
    assert errors(page) == missing | {"email": "this is not an email address"}


@pytest.mark.parametrize(
    ("field", "value"), [("email", "nonsense"), ("phone_number", "call me"), ("language", "tlh")]
)
def test_contact_data_are_checked(staff, joe, field, value):
    page = edit(staff, joe, {field: value})

    assert list(errors(page)) == [field]


def test_staff_set_a_language(staff, joe, work):
    edit(staff, joe, {"language": "es", "email": "joe@example.com"})

    assert (joe.language, joe.email) == ("es", "joe@example.com")


def test_a_form_without_the_section_leaves_the_address_alone(staff, joe, work):
    joe.address = AddressFactory()

    edit(staff, joe, {"email": "joe@example.com"})

    assert joe.address is not None


def test_the_lists_are_made_to_follow(staff, joe):
    for path in ("new/", f"edit/?id={joe.id}"):
        page = staff.get(f"/admin/users/{path}").text
        assert 'data-municipalities="municipality"' in page
        assert "js/municipalities.js" in page
        assert page.count("<h3>") == 2


@both_databases
def test_a_deleted_user_leaves_no_address_but_an_entry(staff, joe, work):
    joe.address = AddressFactory()

    answer = staff.submit("/admin/users/delete/", {"id": joe.id}, follow_redirects=True)

    assert "success" in messages(answer)
    assert count(work, Address) == 0
    assert trail(work) == [("staff", "delete", "user"), ("staff", "delete", "address")]
    details = work.scalars(select(AuditEntry).where(AuditEntry.subject == "address")).one().details
    assert details["street"] == ["Av. Constitución", None]
