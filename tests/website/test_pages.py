"""First pages, languages, health, errors, and what every page carries."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Blueprint, render_template_string

from app import access, disk
from app.blueprints.website import services
from app.config import ROOT
from app.db import db
from tests.factories import UserFactory


def test_the_first_page_shows_the_projects_readme(client):
    assert ">Arthexis Constellation</h1>" in client.get("/").text


@pytest.mark.parametrize("path", ["/ocpp/", "/chat/", "/readme/"])
def test_the_navigation_lists_every_domain_with_public_pages(client, path):
    assert f'href="{path}"' in client.get("/").text.partition("<main")[0]


def test_the_navigation_marks_where_the_visitor_is(client):
    (marked,) = re.findall(r'<a[^>]*href="([^"]*)"[^>]*aria-current="page"', client.get("/chat/").text)

    assert marked == "/chat/"


def test_a_stranger_is_offered_to_log_in_and_to_come_back(client):
    shell = client.get("/chat/?a=1&b=2").text.partition("<main")[0]

    assert 'href="/login/?next=/chat/?a%3D1%26b%3D2"' in shell
    assert "/admin/" not in shell


def test_a_driver_sees_their_name_and_a_way_out(client, work):
    client.log_in(UserFactory(username="<b>maria</b>"))

    shell = client.get("/").text.partition("<main")[0]

    assert "&lt;b&gt;maria&lt;/b&gt;" in shell
    assert 'action="/logout/"' in shell
    assert "/admin/" not in shell


def test_staff_are_led_to_the_administration(staff):
    assert 'href="/admin/"' in staff.get("/").text


# Languages


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("es", "es"), ("es-MX,en;q=0.5", "es"), ("en-GB,es;q=0.9", "en"), ("fr,es;q=0.1", "es"), ("fr", "en"),
        ("*", "en"),
        ("es;q=0", "en"), ("", "en"), ("x" * 3000, "en"), ("es;q=x", "en"),
    ],
)  # fmt: skip
def test_the_browsers_language_is_spoken(client, header, code):
    page = client.get("/chat/", headers={"Accept-Language": header}).text

    assert page.partition('<html lang="')[2][:2] == code


def test_a_chosen_language_is_remembered(client):
    assert client.get("/language/es/?next=/chat/").location == "/chat/"

    page = client.get("/chat/", headers={"Accept-Language": "en"}).text

    assert '<html lang="es-MX">' in page
    assert 'href="/language/en/?next=/chat/"' in page


def test_a_language_can_be_chosen_by_a_form(client):
    assert client.post("/language/es/", data={"next": "/readme/"}).location == "/readme/"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "evil", "",
        "/\t/evil.example", "/\n/evil.example", "\\\\evil.example", "///evil.example", " //evil.example",
        "/x y",
        "/%0d%0aSet-Cookie:a=b\r\nX: y", "http:evil.example", "/\x00", "./x",
    ],
)  # fmt: skip
def test_choosing_a_language_leads_nowhere_else(client, target):
    answer = client.get("/language/es/", query_string={"next": target})

    assert answer.location == "/"


def test_a_language_that_nobody_speaks_here_is_not_found(client):
    assert client.get("/language/tlh/").status_code == 404


@pytest.mark.parametrize("overrides", [{"LANGUAGE_CODE": "es"}])
def test_the_default_language_is_a_setting(client):
    assert '<html lang="es-MX">' in client.get("/chat/").text


# Health


def test_health_is_one_answer_for_monitors(client):
    answer = client.get("/healthz")

    assert answer.json == {"status": "ok", "database": "ok", "broker": "ok", "disk": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_health_names_a_database_that_does_not_answer(app, client):
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE site RENAME TO gone")

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json["database"] == "down"
    assert "database" in answer.json["detail"]


def test_health_names_a_folder_that_cannot_be_used(client, monkeypatch):
    monkeypatch.setattr(services, "_is_usable", lambda folder: False)

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json["broker"], answer.json["database"]) == (503, "down", "ok")


def test_health_names_a_redis_that_does_not_answer(app, client):
    app.config["REDIS_URL"] = "redis://127.0.0.1:1/0"

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json["broker"]) == (503, "down")


def test_health_says_that_the_disk_is_full(app, client, monkeypatch):
    monkeypatch.setattr(disk, "FULL_BYTES", 10**18)

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json["disk"]) == (503, "full")
    assert answer.json["detail"] == "disk full"


def test_health_remembers_that_nothing_could_be_stored(client, monkeypatch):
    monkeypatch.setattr(disk, "notes", disk.Notes())
    disk.notes.full(OSError("no space"))
    assert client.get("/healthz").json["detail"] == "disk full"
    disk.notes.stored()
    assert client.get("/healthz").status_code == 200


@pytest.mark.redis
def test_health_asks_redis(app, client, redis_url):
    app.config["REDIS_URL"] = redis_url

    assert client.get("/healthz").json["broker"] == "ok"


# Errors


def test_an_unknown_address_says_what_to_do(client):
    answer = client.get("/nothing/", headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.text
    program = client.get(answer.request.path, headers={"Authorization": "Bearer x"})
    assert (program.status_code, program.json) == (404, {"detail": "There is nothing at this address."})
    assert 'href="/"' in answer.text


def test_a_bug_shows_no_trace_of_itself(tmp_path, app, client):  # an application of its own
    bp = Blueprint("broken", __name__)

    @bp.get("/broken/")
    @access.allow(access.ANYONE)
    def broken() -> str:
        raise RuntimeError("a secret")

    app._got_first_request = False
    app.register_blueprint(bp)
    answer = client.get("/broken/")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert 'href="/"' in answer.text


def test_a_page_is_shown_to_whoever_is_logged_in_though_the_database_is_away(app, staff):
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql('ALTER TABLE "user" RENAME TO gone')

    assert staff.get("/nothing/").status_code == 404
    assert staff.get("/chat/").status_code == 200


# What every page carries


def test_pages_run_our_own_scripts_only(client):
    policy = client.get("/").headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy


def test_the_administration_may_run_the_scripts_in_its_pages(staff):
    assert "script-src 'self' 'unsafe-inline'" in staff.get("/admin/").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "app" / "templates").rglob("*.html")), ids=lambda file: file.name
)
def test_no_template_holds_what_the_policy_forbids(file: Path):
    if "admin" in file.parts:
        return
    text = re.sub(r"{#.*?#}", "", file.read_text(), flags=re.DOTALL)

    assert not re.search(r"<script(?![^>]*(?:\bsrc=|application/json))", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert "<style" not in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)


def test_pages_tell_caches_that_they_depend_on_the_language(client):
    assert "Accept-Language" in client.get("/chat/").headers["Vary"]


def test_a_stranger_gets_no_cookie_for_looking(client):
    assert "Set-Cookie" not in client.get("/").headers


def test_browsers_find_the_icon_where_they_look(client):
    assert client.get("/favicon.ico", follow_redirects=True).mimetype == "image/svg+xml"


def test_search_engines_are_kept_out_of_the_administration(client):
    assert "Disallow: /admin/" in client.get("/robots.txt").text


# Numbers and dates


@pytest.mark.parametrize(
    ("code", "number", "day"), [("en", "1,234.5", "Nov 3, 2026"), ("es", "1,234.5", "3 nov 2026")]
)
def test_numbers_and_dates_are_written_as_readers_in_mexico_write_them(app, code, number, day):
    with app.test_request_context("/", headers={"Accept-Language": code}):
        shown = render_template_string(
            "{{ number|decimalformat }}|{{ day|dateformat }}", number=Decimal("1234.5"), day=date(2026, 11, 3)
        )

    assert shown == f"{number}|{day}"


def test_errors_offer_a_way_on(client, staff, work):
    assert 'href="/chat/"' in client.get("/nothing/").text.partition("<main")[2]
    client.log_in(UserFactory())
    refused = client.get("/admin/work/").text.partition("<main")[2]
    assert "ask a member of staff" in refused
    assert 'href="/"' in refused


def test_a_bug_says_what_to_tell(tmp_path, app, client):
    @access.allow(access.ANYONE)
    def broken() -> str:
        raise RuntimeError("a secret")

    app._got_first_request = False
    app.add_url_rule("/broken/", "broken", broken)

    assert "/broken/, " in client.get("/broken/").text
