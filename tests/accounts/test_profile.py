"""People's own contact data: the page, and as JSON."""

from __future__ import annotations

import html
import json
import re

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import Address, AuditEntry, User
from app.blueprints.accounts.municipalities import MUNICIPALITIES
from app.blueprints.accounts.services import create_token
from tests.accounts.screens import count
from tests.databases import both_databases
from tests.factories import AddressFactory, UserFactory

PROFILE = "/accounts/profile/"
PAGE = "/accounts/"
HOME = {
    "street": "Av. Uno",
    "number": "12",
    "state": "NL",
    "municipality": "Monterrey",
    "postal_code": "64000",
}
EMPTY = {"email": "", "phone_number": "", "language": "", **dict.fromkeys(HOME, "")}


@pytest.fixture
def joe(client, work):
    """A driver, who is logged in."""
    user = UserFactory(username="joe")
    client.log_in(user)
    return user


@pytest.fixture
def token(work):
    """Headers with a token of another driver, ``mary``."""
    _, plain = create_token(work, UserFactory(username="mary", language="es"), "tests")
    return {"Authorization": f"Bearer {plain}"}


def post(client, told, **options):
    return client.post(PROFILE, json=told, headers={"X-CSRFToken": client.csrf_token()}, **options)


# JSON


def test_strangers_are_told_to_log_in(client):
    assert client.get(PROFILE).status_code == client.post(PROFILE, json={}).status_code == 401


def test_other_methods_are_not_allowed(client, joe):
    assert client.put(PROFILE, json={}).status_code == 405


@both_databases
def test_the_profile_is_the_callers_own(client, joe, token, work):
    joe.email, joe.address = "joe@example.com", AddressFactory(**HOME)

    told = {"phone_number": "", "has_charger": False}
    assert client.get(PROFILE).json == told | {
        "username": "joe",
        "email": "joe@example.com",
        "language": "",
        "address": HOME,
    }
    mary = told | {"username": "mary", "email": "", "language": "es", "address": None}
    assert client.get(PROFILE, headers=token).json == mary


@both_databases
def test_all_of_it_is_changed_and_told_back(client, joe, work):
    told = {
        "email": "joe@example.com",
        "phone_number": "+52 81 1234",
        "language": "es",
        "has_charger": True,
        "address": HOME,
    }

    answer = post(client, told)

    assert answer.status_code == 200
    assert answer.json == told | {"username": "joe"} == client.get(PROFILE).json
    assert ("joe", "update", "user") in [
        (entry.username, entry.action, entry.subject) for entry in work.scalars(select(AuditEntry))
    ]


@both_databases
def test_what_is_left_out_stays(client, joe, work):
    joe.email, joe.address, joe.has_charger = "joe@example.com", AddressFactory(**HOME), True

    post(client, {"phone_number": "123"})

    assert (joe.email, joe.phone_number, joe.has_charger) == ("joe@example.com", "123", True)
    assert joe.address.street == "Av. Uno"


@both_databases
def test_an_address_that_nobody_has_any_more_is_gone(client, joe, work):
    joe.address = AddressFactory()

    assert post(client, {"address": None}).json["address"] is None
    assert count(work, Address) == 0


@both_databases
def test_every_wrong_field_is_named_and_nothing_changes(client, joe, work):
    joe.email = "joe@example.com"
    told = {
        "email": "nonsense",
        "phone_number": "call me",
        "language": "tlh",
        "has_charger": "perhaps",
        "address": HOME | {"municipality": "Saltillo", "street": ""},
    }

    answer = post(client, told)

    assert answer.status_code == 400
    assert answer.json["detail"].split("; ") == [
        "email: this is not an email address",
        "phone_number: a phone number is made of digits, spaces, and + - ( ) . / #",
        "language: must be one of en, es, or empty",
        "has_charger: must be true or false",
        "street: must not be empty",
        "municipality: Saltillo does not lie in Nuevo León",
    ]
    assert client.get(PROFILE).json["email"] == "joe@example.com"
    assert count(work, Address) == 0


@pytest.mark.parametrize(
    "told",
    [
        {"email": None}, {"email": 5}, {"email": "a\0@example.com"}, {"email": "\ud800@example.com"},
        {"email": ["joe@example.com"]}, {"phone_number": 5}, {"language": []}, {"has_charger": 1},
        {"address": "x"}, {"address": []}, {"address": {}}, {"address": {"state": "NL"}}, {"address": 5},
        {"address": HOME | {"number": 12}}, {"address": HOME | {"street": "x" * 300}}, {"address": True},
        {"address": "[" * 100_000}, {"address": '"x"'},
    ],
)  # fmt: skip
@both_databases
def test_wrong_types_and_sizes_are_refused(client, joe, told):
    assert post(client, told).status_code == 400
    assert client.get(PROFILE).json["email"] == ""


@pytest.mark.parametrize("told", [{}, {"is_staff": True}, {"username": "boss"}, [], "x", None])
def test_a_request_that_names_nothing_is_refused_and_nothing_else_is_written(client, joe, told, work):
    answer = post(client, told)

    assert answer.status_code == 400
    assert answer.json["detail"].startswith("at least one of email, phone_number, ")
    assert (joe.username, joe.is_staff) == ("joe", False)


def test_what_is_not_a_persons_own_is_not_written(client, joe, work):
    told = {"email": "joe@example.com", "is_staff": True, "username": "boss", "id": 7, "address_id": 1}

    assert post(client, told).status_code == 200

    assert (joe.username, joe.is_staff, joe.address_id) == ("joe", False, None)


@both_databases
def test_a_form_is_read_too_with_the_address_as_json(client, joe, work):
    form = {"email": "joe@example.com", "has_charger": "true", "address": json.dumps(HOME)}

    assert client.submit(PROFILE, form).json["address"] == HOME
    assert joe.has_charger
    assert client.submit(PROFILE, {"address": ""}).json["address"] is None


@both_databases
def test_a_token_changes_its_owner_and_no_session(client, token, work):
    answer = client.post(PROFILE, json={"language": "en", "email": "mary@example.com"}, headers=token)

    assert (answer.json["username"], answer.json["email"]) == ("mary", "mary@example.com")
    assert "Set-Cookie" not in answer.headers


def test_a_session_needs_the_csrf_token(client, joe):
    assert client.post(PROFILE, json={"email": ""}).status_code == 400


def test_who_came_in_by_a_tag_may_look_only(client, joe, work):
    with client.session_transaction() as session:
        session["by_tag"] = True

    assert client.get(PROFILE).json["username"] == "joe"
    assert post(client, {"email": "joe@example.com"}).status_code == 403
    assert joe.email == ""


def test_anyone_may_ask_for_the_municipalities(client):
    told = client.get("/accounts/municipalities/").json

    assert {state: one["municipalities"] for state, one in told.items()} == MUNICIPALITIES
    assert {state: one["name"] for state, one in told.items()} == {"CO": "Coahuila", "NL": "Nuevo León"}


# The page


def field_errors(page):
    """Field → what stands next to it."""
    found = re.findall(r'class="invalid-feedback" id="(\w+)-error">(.*?)</div>', page.text)
    return {name: html.unescape(sentence) for name, sentence in found}


def chosen(page, name):
    """The values that are selected in a list."""
    options = re.search(rf'<select[^>]*name="{name}".*?</select>', page.text, re.S)[0]
    return [
        re.search(r'value="([^"]*)"', option)[1]
        for option in re.findall(r"<option[^>]*>", options)
        if " selected" in option
    ]


def test_strangers_are_sent_to_the_login_and_back(client):
    assert client.get(PAGE).location == "/login/?next=/accounts/"


def test_the_navigation_leads_there_whoever_is_logged_in(client, joe):
    shell = client.get("/").text.partition("<main")[0]

    assert re.search(r'href="/accounts/">My account<', shell)
    assert 'href="/accounts/"' not in client.application.test_client().get("/").text.partition("<main")[0]


@both_databases
def test_the_form_shows_what_is_known(client, joe, work):
    joe.email, joe.language = "joe@example.com", "es"
    joe.address = AddressFactory(**HOME | {"municipality": "Allende"})

    page = client.get(PAGE)

    assert 'value="joe@example.com"' in page.text
    assert 'value="Av. Uno"' in page.text
    assert chosen(page, "language") == ["es"]
    assert chosen(page, "state") == ["NL"]
    assert chosen(page, "municipality") == ["Allende"]  # once, though Coahuila has one too


def test_the_list_of_municipalities_has_the_state_of_each(client, joe):
    page = client.get(PAGE).text

    assert re.search(r'<optgroup label="Coahuila"><option data-state="CO" value="Abasolo">', page)
    assert '<option data-state="NL" value="Monterrey">' in page
    assert 'src="/static/js/municipalities.js"' in page


@both_databases
def test_the_form_is_saved(client, joe, work):
    form = EMPTY | HOME | {"email": " joe@example.com ", "has_charger": "y"}

    answer = client.submit(PAGE, form, follow_redirects=True)

    assert "Saved." in answer.text
    assert (joe.email, joe.has_charger, joe.address.municipality) == ("joe@example.com", True, "Monterrey")
    client.submit(PAGE, EMPTY)
    assert (joe.email, joe.has_charger, joe.address) == ("", False, None)
    assert count(work, Address) == 0


@both_databases
def test_errors_stand_next_to_their_fields_and_nothing_is_lost(client, joe, work):
    joe.address = AddressFactory()
    form = EMPTY | {"email": "nonsense", "phone_number": "call me", "street": "Av. Dos", "state": "CO"}
    form |= {"number": "7", "postal_code": "25000", "municipality": "Monterrey"}

    page = client.submit(PAGE, form)

    assert page.status_code == 400
    assert field_errors(page) == {
        "email": "this is not an email address",
        "phone_number": "a phone number is made of digits, spaces, and + - ( ) . / #",
        "municipality": "Monterrey does not lie in Coahuila",
    }
    for kept in ("nonsense", "call me", "Av. Dos", "25000"):
        assert f'value="{kept}"' in page.text
    assert joe.address.street == "Av. Constitución"


def test_half_an_address_says_what_is_missing(client, joe):
    page = client.submit(PAGE, EMPTY | {"street": "Av. Dos", "state": "NL"})

    assert set(field_errors(page)) == {"number", "municipality", "postal_code"}


@pytest.mark.parametrize("body", [b"[1]", b"5", b"{", b"null"])
def test_json_sent_to_the_page_breaks_nothing(client, joe, body):
    headers = {"X-CSRFToken": client.csrf_token()}

    answer = client.post(PAGE, data=body, content_type="application/json", headers=headers)

    assert answer.status_code < 500


def test_by_a_tag_the_page_says_why_it_cannot_be_changed(client, joe, work):
    with client.session_transaction() as session:
        session["by_tag"] = True

    page = client.get(PAGE)

    assert "<fieldset disabled>" in page.text
    assert "You came in with a card alone" in page.text
    assert 'href="/login/?next=/accounts/"' in page.text
    assert client.submit(PAGE, EMPTY | {"email": "joe@example.com"}).status_code == 403
    assert joe.email == ""


def test_a_token_may_use_the_form_and_gets_no_session(client, token, work):
    answer = client.post(PAGE, data=EMPTY | {"language": "es", "email": "mary@example.com"}, headers=token)

    assert answer.status_code == 302
    with client.session_transaction() as session:
        assert "language" not in session
    mary = work.scalars(select(User).where(User.username == "mary")).one()
    assert mary.email == "mary@example.com"
