"""Which language people read who are logged in: this session's, then their profile's, then the browser's."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from app.blueprints.accounts.services import create_token
from app.db import db
from tests.databases import both_databases
from tests.factories import UserFactory

SPANISH = {"Accept-Language": "es"}
ENGLISH = {"Accept-Language": "en"}


def language_of(client, headers=ENGLISH, path="/chat/"):
    page = client.get(path, headers=headers).text
    return page.partition('<html lang="')[2][:2]


def choice(client):
    with client.session_transaction() as session:
        return session.get("language")


def save(client, language):
    fields = ("email", "phone_number", "street", "number", "state", "municipality", "postal_code")
    return client.submit("/accounts/", dict.fromkeys(fields, "") | {"language": language})


def tell(client, language):
    headers = {"X-CSRFToken": client.csrf_token(), **ENGLISH}
    return client.post("/accounts/profile/", json={"language": language}, headers=headers)


@both_databases
def test_the_profile_decides_before_the_browser(client, work):
    client.log_in(UserFactory(language="es"))

    assert language_of(client, ENGLISH) == "es"


def test_without_a_preference_the_browser_decides(client, work):
    client.log_in(UserFactory())

    assert (language_of(client, SPANISH), language_of(client, ENGLISH)) == ("es", "en")


def test_the_choice_of_this_session_decides_before_the_profile(client, work):
    client.log_in(UserFactory(language="es"))

    client.get("/language/en/")

    assert language_of(client, SPANISH) == "en"


@pytest.mark.parametrize("unknown", ["tlh", "e", "''"])
def test_a_language_that_is_no_more_is_passed_over(client, work, unknown):
    client.log_in(UserFactory(language=unknown))

    assert language_of(client, SPANISH) == "es"


@pytest.mark.parametrize("change", [save, tell])
def test_a_new_preference_is_this_sessions_choice_too(client, work, change):
    user = UserFactory()
    client.log_in(user)
    client.get("/language/en/")

    change(client, "es")

    assert (user.language, choice(client), language_of(client)) == ("es", "es", "es")
    change(client, "")
    assert (user.language, choice(client)) == ("", None)
    assert (language_of(client, SPANISH), language_of(client, ENGLISH)) == ("es", "en")


def test_it_is_confirmed_in_the_new_language(client, work):
    client.log_in(UserFactory())

    save(client, "es")

    assert "Guardado." in client.get("/accounts/", headers=ENGLISH).text


def test_who_saves_without_a_preference_keeps_the_choice_of_this_session(client, work):
    client.log_in(UserFactory())
    client.get("/language/es/")

    save(client, "")

    assert choice(client) == "es"


def test_a_refusal_is_said_in_the_persons_language(client, work):
    client.log_in(UserFactory(language="es"))

    answer = client.get("/ocpp/chargers/", headers=ENGLISH)

    assert answer.status_code == 403
    assert answer.json["detail"] == "no tiene permiso para hacer esto"


def test_the_language_of_a_tokens_owner_is_not_the_programs(client, work):
    _, plain = create_token(work, UserFactory(language="es"))
    headers = {"Authorization": f"Bearer {plain}", **ENGLISH}

    detail = client.post("/accounts/profile/", json={"email": "x"}, headers=headers).json["detail"]

    assert detail == "email: this is not an email address"


def test_a_wrong_token_is_answered_as_such_whoever_is_logged_in(client, work):
    client.log_in(UserFactory(language="es"))

    answer = client.get("/accounts/profile/", headers={"Authorization": "Bearer wrong"})

    assert (answer.status_code, answer.json["detail"]) == (401, "invalid API token")


# What it costs


@pytest.fixture
def questions(app):
    """The statements that the database is asked."""
    seen = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT"):
            seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_a_stranger_costs_no_question(client, questions):
    client.get("/chat/")
    questions.clear()

    client.get("/chat/", headers=SPANISH)

    assert [statement for statement in questions if "user" in statement] == []


def test_whoever_is_logged_in_is_read_once(client, work, questions):
    client.log_in(UserFactory(language="es"))
    client.get("/chat/")
    questions.clear()

    client.get("/chat/")

    assert len([statement for statement in questions if "user" in statement]) == 1


@pytest.mark.parametrize(
    "path", ["/healthz", "/static/css/site.css", "/api/openapi.json", "/accounts/municipalities/"]
)
def test_what_says_nothing_asks_for_nobody(client, work, questions, path):
    client.log_in(UserFactory(language="es"))
    client.get(path)
    questions.clear()

    client.get(path)

    assert [statement for statement in questions if '"user"' in statement] == []


def test_pages_are_shown_though_the_database_is_away(client, app, work):
    client.log_in(UserFactory(language="es"))
    client.get("/chat/")
    with db.engine.begin() as connection:
        connection.exec_driver_sql('ALTER TABLE "user" RENAME TO gone')

    page = client.get("/chat/", headers=SPANISH)

    assert page.status_code == 200
    assert '<html lang="es-MX">' in page.text
