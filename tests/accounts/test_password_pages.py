"""Passwords: forgotten, chosen by way of a link, changed."""

from __future__ import annotations

import logging
import re
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.blueprints.accounts import password_views, throttle
from app.blueprints.accounts.issuing import issuer
from app.blueprints.accounts.models import AuditEntry, User
from app.blueprints.accounts.services import (
    check_password,
    create_token,
    create_user,
    find_token,
    links,
    set_password,
    users,
)
from app.blueprints.accounts.throttle import Allowance
from app.clock import utcnow
from app.logs import WithoutLinks
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory

OLD, NEW = "secret of joe", "another secret"


@pytest.fixture(autouse=True)
def _letters(letters, quick):
    """Letters are collected, and answers come at once."""


@pytest.fixture
def joe(work):
    return create_user(work, "joe", OLD, email="Joe@Example.com")


def ask(client, who="joe", **more):
    return client.submit("/login/forgot/", {"who": who}, **more)


def path_of(letter):
    link = letter.context["link"]
    assert link.startswith("http://localhost:8000/login/set-password/")
    return link.removeprefix("http://localhost:8000")


def link_for(app, user, kind=links.RESET):
    with app.app_context():
        return links.make(issuer(), kind, user).removeprefix("http://localhost:8000")


def choose(client, path, password=NEW, again=None):
    return client.submit(path, {"new_password": password, "again": password if again is None else again})


def change(client, old=OLD, new=NEW, again=None):
    data = {"password": old, "new_password": new, "again": new if again is None else again}
    return client.submit("/login/change-password/", data)


def is_logged_in(client):
    return client.get("/login/change-password/").status_code == 200


def trail(work):
    return [(entry.username, entry.action, entry.subject_id) for entry in work.scalars(select(AuditEntry))]


# Forgotten


@pytest.mark.parametrize("who", ["joe", "ｊoe", " joe ", "joe@example.com", "JOE@EXAMPLE.COM"])
@both_databases
def test_whoever_forgot_gets_a_link_by_mail(client, work, joe, letters, who):
    answer = ask(client, who)

    assert (answer.status_code, answer.location) == (302, "/login/")
    assert "an email with a link is on its way" in client.get("/login/").text
    (letter,) = letters
    assert (letter.to, letter.template, letter.private) == ("Joe@Example.com", "password_reset", True)
    assert client.get(path_of(letter)).status_code == 200
    assert trail(work) == [("", "ask for a reset", str(joe.id))]
    work.refresh(joe)
    assert utcnow() - joe.reset_asked_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    "who", ["nobody", "nobody@example.com", "Joe", "joe\0", "%", "' OR 1=1 --", "joe@example.com\n.evil"]
)
@both_databases
def test_nobody_is_told_that_there_is_no_such_user(client, work, joe, letters, who):
    known, unknown = ask(client, "joe"), ask(client, who)

    assert (unknown.status_code, unknown.location, unknown.data) == (302, known.location, known.data)
    assert len(letters) == 1


@pytest.mark.parametrize("spoil", [users.lock, lambda user: setattr(user, "email", "")])
def test_no_link_for_who_cannot_log_in_or_be_written_to(client, work, joe, letters, spoil):
    spoil(joe)

    assert ask(client).status_code == 302
    assert letters == []
    assert trail(work) == []


def test_an_address_that_is_none_is_told_to_nobody(client, work, joe, letters):
    joe.email = "no address"

    assert ask(client).location == "/login/"
    assert letters == []


def test_each_user_of_an_address_gets_a_letter_up_to_a_number(client, work, letters):
    for _ in range(12):
        UserFactory(email="fleet@example.com")

    ask(client, "fleet@example.com")

    assert len({letter.context["username"] for letter in letters}) == 10


def test_it_takes_as_long_whether_or_not_there_is_somebody(client, work, joe, monkeypatch):
    monkeypatch.setattr(password_views, "EVEN_S", 0.2)

    def seconds(who):
        start = time.monotonic()
        ask(client, who)
        return time.monotonic() - start

    assert min(seconds("joe"), seconds("nobody")) > 0.2


def test_a_link_that_was_just_sent_is_not_replaced_by_whoever_asks_again(client, work, joe, letters):
    ask(client)
    ask(client, "joe@example.com")

    assert len(letters) == 1
    assert client.get(path_of(letters[0])).status_code == 200
    joe.reset_asked_at -= timedelta(minutes=6)
    ask(client)
    assert len(letters) == 2
    assert client.get(path_of(letters[0])).status_code == 410


@pytest.mark.parametrize("again", ["joe", "JOE", "ｊｏｅ", " joe"])
def test_letters_to_one_name_are_few_however_it_is_written(client, work, joe, again):
    for _ in range(3):
        assert ask(client).status_code == 302

    answer = ask(client, again, environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60
    assert ask(client, "mary").status_code == 302


def test_an_address_asks_only_so_often(client, work, joe, letters):
    for n in range(20):
        assert ask(client, f"user{n}").status_code == 302

    assert ask(client).status_code == 429
    assert letters == []


@pytest.mark.parametrize("who", ["", "x" * 255])
def test_a_form_that_cannot_be_right_says_so(client, who):
    answer = ask(client, who)

    assert answer.status_code == 400
    assert "invalid-feedback" in answer.text


def test_the_page_says_when_there_is_no_mail_server(client, app):
    assert "cannot send email yet" in client.get("/login/forgot/").text

    app.config["SMTP_HOST"] = "mail.example"

    assert "cannot send email yet" not in client.get("/login/forgot/").text


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("es", "Una contraseña nueva en {site}"),
        ("", "A new password at {site}"),
        ("x", "A new password at {site}"),
    ],
)
def test_the_letter_is_in_the_language_of_whoever_gets_it(client, joe, letters, language, subject):
    joe.language = language

    ask(client, headers={"Accept-Language": "en" if language == "es" else "es"})

    (letter,) = letters
    assert letter.subject == subject
    assert letter.language == ("es" if language == "es" else "en")
    for name in ("username", "link", "site", "hours"):
        assert f"{{{name}}}" in letter.body
        assert letter.context[name]


def test_the_link_leads_to_the_public_address_whatever_host_was_asked(client, joe, letters):
    page = client.get("/login/forgot/", base_url="http://evil.example").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    data, headers = {"who": "joe", "csrf_token": token}, {"X-Forwarded-Host": "evil.example"}
    client.post("/login/forgot/", data=data, base_url="http://evil.example", headers=headers)

    assert path_of(letters[0])
    assert "evil" not in str(letters)


# Chosen by way of a link


@both_databases
def test_a_link_sets_a_password_once_and_logs_in(client, app, work, joe):
    path = link_for(app, joe)
    assert client.get(path).status_code == 200

    answer = choose(client, path)

    assert (answer.status_code, answer.location) == (302, "/")
    assert is_logged_in(client)
    assert check_password(work, "joe", NEW) is joe
    assert check_password(work, "joe", OLD) is None
    assert utcnow() - joe.last_login < timedelta(minutes=1)
    assert trail(work) == [("joe", "set password", str(joe.id))]
    assert choose(client, path, "yet another").status_code == 410
    assert client.get(path).status_code == 410
    assert check_password(work, "joe", NEW) is joe


def test_what_opens_links_before_people_do_does_not_use_them_up(client, app, joe):
    path = link_for(app, joe)

    for method in ("HEAD", "GET", "OPTIONS", "GET"):
        assert client.open(path, method=method).status_code == 200
    assert client.post(path, data={"new_password": NEW, "again": NEW}).status_code == 400

    assert choose(client, path).status_code == 302


@pytest.mark.parametrize(
    ("password", "again", "sentence"),
    [
        ("short", "short", "at least 8 characters"),
        ("password123", "password123", "most common"),
        ("joe@example.com", "joe@example.com", "neither the user name"),
        (NEW, "another secre", "differ"),
        ("x y" * 1000, "x y" * 1000, "at most 1024"),
        ("", "", "required"),
    ],
)
def test_a_password_that_will_not_do_is_told_and_uses_no_link_up(client, app, joe, password, again, sentence):
    path = link_for(app, joe)

    answer = choose(client, path, password, again)

    assert answer.status_code == 400
    assert sentence in answer.text
    assert not password or f'value="{password}"' not in answer.text
    assert choose(client, path).status_code == 302


def test_a_link_ends_the_logins_that_there_were(client, app, work, joe):
    other = app.test_client().log_in(joe)

    choose(client, link_for(app, joe))

    assert not is_logged_in(other)


def test_a_link_begins_a_session_of_its_owners_own(client, app, work, joe):
    client.log_in(UserFactory())
    with client.session_transaction() as session:
        session["planted"] = "by somebody"
        session["by_tag"] = True

    choose(client, link_for(app, joe))

    with client.session_transaction() as session:
        assert "planted" not in session
        assert "by_tag" not in session
        assert session["_user_id"].startswith(f"{joe.id}:")


def test_staff_land_in_the_admin(client, app, work, joe):
    joe.is_staff = True

    assert choose(client, link_for(app, joe)).location == "/admin/"


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/"])
def test_no_link_leads_to_another_site(client, app, joe, target):
    path = link_for(app, joe)

    answer = client.submit(f"{path}?next={target}", {"new_password": NEW, "again": NEW})

    assert answer.location == "/"


@pytest.mark.parametrize("token", ["x", "reset-1.x", "x" * 5000, "%00", "<b>"])
@both_databases
def test_a_link_that_is_none_looks_like_one_that_has_ended(client, app, joe, token):
    path = link_for(app, joe)
    choose(client, path)
    client.submit("/logout/")

    answers = [client.get(path), client.get(f"/login/set-password/{token}/")]

    assert [answer.status_code for answer in answers] == [410, 410]
    pages = {re.sub(r"next=[^\"]*", "", answer.text) for answer in answers}
    assert len(pages) == 1
    assert 'href="/login/forgot/"' in pages.pop()
    assert choose(client, f"/login/set-password/{token}/").status_code == 410


def test_the_page_keeps_its_address_to_itself(client, app, joe):
    answer = client.get(link_for(app, joe))

    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.findall(r'(?:src|href|action)="https?:', answer.text) == []


def test_the_form_works_over_https_where_only_the_origin_is_told(client, app, joe):
    path = link_for(app, joe)
    base = "https://localhost:8000"
    client.get(path, base_url=base)
    data = {"new_password": NEW, "again": NEW, "csrf_token": client.csrf_token()}

    assert client.post(path, data=data, base_url=base, headers={"Referer": f"{base}/"}).status_code == 302


def test_the_log_holds_no_token_and_no_password(client, app, joe, caplog):
    with caplog.at_level(logging.DEBUG):
        path = link_for(app, joe)
        client.get(path)
        choose(client, path, "short")
        choose(client, path)
        choose(client, path)
        ask(client)

    assert path.split("/")[-2].partition(".")[2] not in caplog.text
    assert NEW not in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 - - "GET /login/set-password/reset-1.abcDEF_-0/ HTTP/1.1" 200 -',
        "GET /language/es/?next=%2Flogin%2Fset-password%2Freset-1.abcDEF_-0%2F HTTP/1.1",
        "Error handling request /login/set-password/reset-1.abcDEF_-0",
    ],
)
def test_a_token_in_somebody_elses_line_is_taken_out(line):
    record = logging.LogRecord("werkzeug", logging.INFO, "", 0, "%s", (line,), None)

    assert WithoutLinks().filter(record)

    assert "abcDEF" not in record.getMessage()
    assert "set-password" in record.getMessage()
    untouched = logging.LogRecord("x", logging.INFO, "", 0, "%s of %d", ("a line", 7), None)
    WithoutLinks().filter(untouched)
    assert untouched.getMessage() == "a line of 7"


# Changed


@both_databases
def test_a_change_ends_the_other_logins_and_keeps_this_one(client, app, work, joe):
    client.log_in(joe)
    other = app.test_client().log_in(joe)
    with client.session_transaction() as session:
        session["language"] = "es"

    assert change(client).status_code == 302

    assert is_logged_in(client)
    assert not is_logged_in(other)
    assert check_password(work, "joe", NEW) is joe
    assert trail(work) == [("joe", "change password", str(joe.id))]
    with client.session_transaction() as session:
        assert session["language"] == "es"
        assert session["_permanent"]


def test_a_change_ends_links_and_leaves_tokens(client, app, work, joe):
    _, plain = create_token(work, joe)
    path = link_for(app, joe)
    client.log_in(joe)

    change(client)

    assert client.get(path).status_code == 410
    assert find_token(work, plain) is not None


@pytest.mark.parametrize(
    ("old", "new", "again", "sentence"),
    [
        ("wrong", NEW, NEW, "this is not your password"),
        ("", NEW, NEW, "required"),
        (OLD, "short", "short", "at least 8 characters"),
        (OLD, NEW, "different", "differ"),
        (OLD, "Contraseña1", "Contraseña1", "most common"),
    ],
)
def test_a_change_that_cannot_be_is_told_next_to_its_field(client, work, joe, old, new, again, sentence):
    client.log_in(joe)

    answer = change(client, old, new, again)

    assert answer.status_code == 400
    assert sentence in answer.text
    assert check_password(work, "joe", OLD) is joe
    assert is_logged_in(client)


def test_the_old_password_cannot_be_guessed_here_either(client, app, joe):
    client.log_in(joe)
    for _ in range(10):
        assert change(client, "wrong").status_code == 400

    assert change(client).status_code == 429
    stranger = app.test_client()
    assert stranger.submit("/login/", {"username": "joe", "password": OLD}).status_code == 429


def test_a_stranger_and_a_program_change_nothing(client, work, joe):
    assert client.get("/login/change-password/").location == "/login/?next=/login/change-password/"
    assert change(client).status_code == 302
    _, plain = create_token(work, joe)
    headers = {"Authorization": f"Bearer {plain}"}
    assert client.get("/login/change-password/", headers=headers).status_code == 403
    data = {"password": OLD, "new_password": NEW, "again": NEW}
    assert client.post("/login/change-password/", data=data, headers=headers).status_code == 403
    assert check_password(work, "joe", OLD) is joe


def test_whoever_came_by_a_tag_is_asked_for_the_password_first(client, work, joe):
    RFIDFactory(rfid="04A1B2C3", user=joe)
    client.post("/accounts/rfid-login/", json={"rfid": "04A1B2C3"})

    sent = client.get("/login/change-password/")

    assert sent.location == "/login/?next=/login/change-password/"
    assert change(client).status_code == 403
    assert check_password(work, "joe", OLD) is joe
    answer = client.submit(sent.location, {"username": "joe", "password": OLD})
    assert answer.location == "/login/change-password/"
    assert change(client).status_code == 302


def test_a_change_needs_a_csrf_token(client, work, joe):
    client.log_in(joe)
    data = {"password": OLD, "new_password": NEW, "again": NEW}

    assert client.post("/login/change-password/", data=data).status_code == 400
    assert check_password(work, "joe", OLD) is joe


@both_databases
def test_of_two_changes_at_once_one_is_refused(app, work, joe):
    browsers = [app.test_client().log_in(joe) for _ in range(2)]
    tokens = [browser.csrf_token() for browser in browsers]
    work.commit()
    start, found = threading.Barrier(2), []

    def send(n):
        data = {"password": OLD, "new_password": f"{NEW} {n}", "again": f"{NEW} {n}", "csrf_token": tokens[n]}
        start.wait()
        found.append(browsers[n].post("/login/change-password/", data=data).status_code)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found.count(302) == 1
    assert sum(check_password(work, "joe", f"{NEW} {n}") is not None for n in range(2)) == 1


# Every login


def test_every_login_is_remembered(client, app, work, joe):
    client.submit("/login/", {"username": "joe", "password": OLD})

    work.refresh(joe)
    assert utcnow() - joe.last_login < timedelta(minutes=1)


@both_databases
def test_failing_too_often_is_in_the_trail_once(client, work, joe):
    for _ in range(12):
        client.submit("/login/", {"username": "Joe", "password": "wrong"})
        client.submit("/login/", {"username": "joe", "password": "wrong"})

    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.username, entry.action, entry.subject) == ("", "too many attempts", "user")
    assert entry.details == {"purpose": "login", "address": "127.0.0.1"}


def test_an_address_that_tries_too_often_is_in_the_trail_without_what_it_tried(client, work, monkeypatch):
    monkeypatch.setitem(throttle.ALLOWANCES, "login", Allowance("3 per minute", "10 per minute"))

    for n in range(5):
        client.submit("/login/", {"username": f"a secret typed in the wrong field {n}", "password": "x"})
        client.submit("/login/", {"username": f"a-secret-{n}", "password": "x"})

    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.subject, entry.subject_id) == ("", "")
    assert "secret" not in str(entry.details)


def test_names_in_lookalike_letters_are_counted_together(client, work, joe):
    for name in ("joe", "JOE", "ｊoe", "jｏe", "joｅ", "ＪＯＥ", "Joe", "jOe", "joE", "ｊｏｅ"):
        assert client.submit("/login/", {"username": name, "password": "wrong"}).status_code == 401

    answer = client.submit(
        "/login/", {"username": "ｊｏe", "password": OLD}, environ_base={"REMOTE_ADDR": "192.0.2.9"}
    )

    assert answer.status_code == 429


def test_a_lock_ends_everything_and_an_unlock_brings_only_tokens_back(client, app, act, work, joe):
    _, plain = create_token(work, joe)
    RFIDFactory(rfid="04A1B2C3", user=joe)
    by_tag = app.test_client()
    by_tag.post("/accounts/rfid-login/", json={"rfid": "04A1B2C3"})
    client.log_in(joe)
    paths = [link_for(app, joe), link_for(app, joe, links.INVITATION)]
    assert by_tag.get("/admin/").status_code == 403

    for action in ("lock", "unlock"):
        act("users", action, joe)
        assert not is_logged_in(client)
        assert by_tag.get("/admin/").status_code == 302
        assert [client.get(path).status_code for path in paths] == [410, 410]
        assert (find_token(work, plain) is None) == (action == "lock")
    assert client.submit("/login/", {"username": "joe", "password": OLD}).status_code == 302


def test_after_a_lock_a_link_is_sent_at_once(client, work, joe, letters):
    ask(client)
    users.lock(joe)
    users.unlock(joe)

    ask(client)

    assert [client.get(path_of(letter)).status_code for letter in letters] == [410, 200]


def test_a_lock_by_the_form_ends_links_too(client, app, staff, work, joe):
    path = link_for(app, joe)

    staff.submit(f"/admin/users/edit/?id={joe.id}", {"username": "joe", "email": "Joe@Example.com"})
    act_again = {"username": "joe", "email": "Joe@Example.com", "is_active": "y"}
    staff.submit(f"/admin/users/edit/?id={joe.id}", act_again)

    work.refresh(joe)
    assert joe.is_active
    assert client.get(path).status_code == 410


def test_a_new_password_by_staff_ends_links(client, app, staff, work, joe):
    path = link_for(app, joe)
    work.commit()

    data = {"username": "joe", "email": "Joe@Example.com", "new_password": NEW, "is_active": "y"}
    assert staff.submit(f"/admin/users/edit/?id={joe.id}", data).status_code == 302

    assert client.get(path).status_code == 410


def test_nothing_in_the_trail_is_a_secret(client, app, work, joe):
    path = link_for(app, joe)
    choose(client, path)
    ask(client)
    change(client, NEW, OLD)
    set_password(joe, OLD)

    told = str(
        [(entry.action, entry.subject_id, entry.details) for entry in work.scalars(select(AuditEntry))]
    )
    for secret in (OLD, NEW, path.split("/")[-2], "argon2", joe.session_key):
        assert secret not in told
    assert work.scalar(select(User.id)) == joe.id
