"""Contact data: what it may be, the address that a municipality makes or breaks, and what is left behind."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.blueprints.accounts.errors import BadField, BadFields, BadMunicipality, BadState, HasHistory
from app.blueprints.accounts.models import Address, AuditEntry, User
from app.blueprints.accounts.municipalities import MUNICIPALITIES
from app.blueprints.accounts.services import contact, users
from app.db import unit_of_work
from tests.accounts.screens import count
from tests.databases import both_databases, only_postgres
from tests.factories import AddressFactory, UserFactory, VehicleFactory

HOME = {
    "street": "Av. Uno",
    "number": "12",
    "state": "NL",
    "municipality": "San Pedro Garza García",
    "postal_code": "66200",
}


def wrong(told):
    """Field → reason, of what an address is refused for."""
    with pytest.raises(BadFields) as refused:
        contact.address(HOME | told)
    return {error.field: error.reason for error in refused.value.wrong}


# The table


@both_databases
def test_a_municipality_of_its_state_is_stored(work):
    assert AddressFactory(state="CO", municipality="Saltillo").id


@both_databases
def test_an_address_in_the_wrong_state_is_not_stored_however_it_came_to_be(work):
    with pytest.raises(BadMunicipality, match="municipality: Saltillo does not lie in Nuevo León"):
        AddressFactory(state="NL", municipality="Saltillo")


@both_databases
def test_an_address_is_not_moved_to_the_wrong_state_either(work):
    address = AddressFactory(state="NL", municipality="Monterrey")
    address.state = "CO"

    with pytest.raises(BadMunicipality):
        work.flush()


@both_databases
def test_the_database_knows_the_states(work):
    columns = "street, number, municipality, state, postal_code"

    with pytest.raises(IntegrityError):
        work.execute(text(f"INSERT INTO address ({columns}) VALUES ('a', '1', 'Puebla', 'PU', '1')"))


def test_a_state_of_somewhere_else_is_refused(work):
    with pytest.raises(BadState):
        AddressFactory(state="PU", municipality="Puebla")


# The rules


def test_every_municipality_of_both_states_is_taken():
    for state, names in MUNICIPALITIES.items():
        for name in names:
            assert contact.address(HOME | {"state": state, "municipality": name})["municipality"] == name
    assert {state: len(names) for state, names in MUNICIPALITIES.items()} == {"CO": 38, "NL": 51}


def test_a_municipality_is_the_same_in_either_unicode_form():
    decomposed = "San Pedro Garza Garci\u0301a"

    assert contact.address(HOME | {"municipality": decomposed}) == HOME


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({"municipality": "Saltillo"}, {"municipality"}),
        ({"municipality": ""}, {"municipality"}),
        ({"municipality": None}, {"municipality"}),
        ({"municipality": 5}, {"municipality"}),
        ({"state": "PU"}, {"state"}),
        ({"state": "nl"}, {"state"}),
        ({"state": "", "municipality": ""}, {"state", "municipality"}),
        ({"state": "PU", "municipality": ""}, {"state", "municipality"}),
        ({"street": "", "number": " ", "postal_code": None}, {"street", "number", "postal_code"}),
        ({"street": "x" * 256}, {"street"}),
        ({"number": "1" * 21}, {"number"}),
        ({"number": 12}, {"number"}),
        ({"postal_code": "1" * 11}, {"postal_code"}),
        ({"street": "a\0b"}, {"street"}),
        ({"street": "a\nb"}, {"street"}),
        ({"street": "\ud800"}, {"street"}),
        ({"street": "x" * 10_000_000}, {"street"}),
        ({"street": [1], "number": {}, "state": True}, {"street", "number", "state"}),
    ],
)
def test_every_wrong_part_of_an_address_is_named(app, told, fields):
    with app.test_request_context():
        assert set(wrong(told)) == fields


@pytest.mark.parametrize("given", ["x", 5, [], True])
def test_an_address_is_an_object_or_null(app, given):
    with app.test_request_context(), pytest.raises(BadFields, match="address: must be an object, or null"):
        contact.address(given)


@pytest.mark.parametrize(
    "given", ["", "joe@example.com", " joe@example.com ", "o'neil+car@sub.example.mx", "josé@correo.mx"]
)
def test_an_email_address_is_taken(given):
    assert contact.email(given) == given.strip()


@pytest.mark.parametrize(
    "given",
    [
        "joe", "joe@", "@example.com", "joe@example", "joe@example.com, x@example.com", "<joe@example.com>",
        "joe@example.com\nBcc: x@example.com", "a b@example.com", "joe@-.com", "x" * 250 + "@a.mx", 5, None,
        ["x"], "joe@" + "a" * 240 + "!",
    ],
)  # fmt: skip
def test_what_is_no_email_address_is_refused(app, given):
    with app.test_request_context(), pytest.raises(BadField, match=r"^email: "):
        contact.email(given)


@pytest.mark.parametrize("given", ["", "+52 (81) 1234-5678", "8112345678", "81.1234.5678 #12"])
def test_a_phone_number_is_taken(given):
    assert contact.phone_number(given) == given


@pytest.mark.parametrize("given", ["call me", "+", "1" * 21, 8112345678, None, "12\0", "１２３"])
def test_what_is_no_phone_number_is_refused(app, given):
    with app.test_request_context(), pytest.raises(BadField, match=r"^phone_number: "):
        contact.phone_number(given)


@pytest.mark.parametrize("given", ["de", "EN", None, 5, [], {}, True, ["en"]])
def test_a_language_that_nobody_speaks_here_is_refused(app, given):
    with app.test_request_context(), pytest.raises(BadField, match=r"^language: "):
        contact.language(given)


@pytest.mark.parametrize("given", [1, 0, "", "yes", None, [], "1"])
def test_having_a_charger_is_yes_or_no(app, given):
    with app.test_request_context(), pytest.raises(BadField, match=r"^has_charger: "):
        contact.has_charger(given)


# What is left behind


def addresses(work):
    work.expire_all()
    return list(work.scalars(select(Address)))


@both_databases
def test_an_address_is_made_moved_and_removed_with_a_trail(work):
    user = UserFactory(username="joe")

    contact.change(work, user, {"address": HOME}, by=user)
    made = user.address
    contact.change(work, user, {"address": HOME | {"number": "14"}}, by=user)
    assert (user.address.id, user.address.number) == (made.id, "14")
    contact.change(work, user, {"address": None}, by=user)

    assert addresses(work) == []
    assert user.address is None
    trail = [(entry.username, entry.action, entry.subject) for entry in work.scalars(select(AuditEntry))]
    assert trail == [
        ("joe", "create", "address"),
        ("joe", "update", "user"),
        ("joe", "update", "address"),
        ("joe", "delete", "address"),
        ("joe", "update", "user"),
    ]
    moved = work.scalars(select(AuditEntry).where(AuditEntry.action == "update")).all()[1]
    assert moved.details == {"number": ["12", "14"]}


@both_databases
def test_an_address_that_somebody_else_lives_at_stays_as_it_is(work):
    shared = AddressFactory()
    joe, mary = UserFactory(address=shared), UserFactory(address=shared)

    contact.change(work, joe, {"address": HOME}, by=joe)

    assert (mary.address.street, joe.address.street) == ("Av. Constitución", "Av. Uno")
    contact.change(work, joe, {"address": None}, by=joe)
    assert addresses(work) == [mary.address]
    contact.change(work, mary, {"address": None}, by=mary)
    assert addresses(work) == []


@both_databases
def test_what_changes_nothing_leaves_no_trace(work):
    user = UserFactory(email="joe@example.com")
    contact.change(work, user, {"address": HOME}, by=user)
    before = count(work, AuditEntry)

    contact.change(work, user, {"address": HOME, "email": "joe@example.com"}, by=user)

    assert count(work, AuditEntry) == before


@both_databases
def test_a_deleted_user_leaves_no_address(work):
    users.delete_user(work, UserFactory(address=AddressFactory()))

    assert count(work, User) == count(work, Address) == 0


def test_a_deleted_user_leaves_the_address_of_those_who_stay(work):
    shared = AddressFactory()
    stays = UserFactory(address=shared)

    users.delete_user(work, UserFactory(address=shared))

    assert addresses(work) == [stays.address]


def test_a_user_with_a_car_is_not_deleted(work):
    car = VehicleFactory(account__user__username="joe")

    with pytest.raises(HasHistory, match=r"joe has history \(Vehicles\)"):
        users.delete_user(work, car.account.user)


@only_postgres
def test_two_changes_at_once_leave_one_address(app, work):
    user_id = UserFactory().id
    work.commit()
    ready = threading.Barrier(2)
    failures = []

    def change(number):
        try:
            with app.app_context():
                ready.wait(20)
                for _ in range(10):
                    with unit_of_work() as own:
                        user = own.get(User, user_id)
                        contact.change(own, user, {"address": HOME | {"number": number}}, by=user)
                    with unit_of_work() as own:
                        user = own.get(User, user_id)
                        contact.change(own, user, {"address": None}, by=user)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=[number]) for number in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    work.rollback()
    assert failures == []
    user = work.get(User, user_id)
    assert [address.id for address in addresses(work)] == ([user.address_id] if user.address_id else [])
