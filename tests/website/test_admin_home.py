"""The administration's first page and frame: what asks for attention, how much there is, in which colours."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app import admin_base
from app.blueprints.ocpp.models import Alert
from app.clock import utcnow
from app.jobs.models import WorkProcess
from tests.databases import both_databases
from tests.factories import ChargerFactory, QueuedEmailFactory, UserFactory


def shown(page: str, url: str) -> str:
    """How many rows the first page tells of a screen."""
    found = re.search(rf'href="{url}">[^<]*</a>\s*<span class="text-muted">([^<]*)</span>', page)
    return found[1] if found else ""


@both_databases
def test_it_tells_how_many_rows_each_screen_has(staff, work):
    for _ in range(3):
        ChargerFactory()

    page = staff.get("/admin/").text

    assert (shown(page, "/admin/charger/"), shown(page, "/admin/alert/")) == ("3", "0")


def test_it_counts_no_further_than_costs_nothing(staff, work, monkeypatch):
    monkeypatch.setattr(admin_base, "COUNTED", 2)
    for _ in range(3):
        ChargerFactory()

    assert shown(staff.get("/admin/").text, "/admin/charger/") == "2+"


@both_databases
def test_it_says_what_asks_for_attention(staff, work):
    QueuedEmailFactory(state="failed", next_try_at=None)
    work.add(
        Alert(kind="silent", key="silent:1", charger=ChargerFactory(), since=utcnow(), noticed_at=utcnow())
    )

    page = staff.get("/admin/").text

    assert "1 alert is open." in page
    assert "1 mail could not be sent." in page
    assert "No worker is alive" in page
    assert page.count("Look at it") == 3


def test_it_is_quiet_when_all_is_well(staff, work):
    now = utcnow()
    work.add(
        WorkProcess(
            name="w",
            kind="worker",
            host="here",
            pid=1,
            since=now,
            seen_at=now,
            alive_until=now + timedelta(hours=1),
        )
    )

    assert "Look at it" not in staff.get("/admin/").text


def test_pages_of_the_administration_follow_theme_and_language(staff):
    english, spanish = (
        staff.get("/admin/users/", headers={"Accept-Language": code}).text for code in ("en", "es")
    )

    assert ('<html lang="en">' in english, '<html lang="es-MX">' in spanish) == (True, True)
    for page in (english, spanish):
        head, _, body = page.partition("<body>")
        assert head.index("js/theme.js") < head.index("stylesheet")  # nothing is painted in the wrong colours
        assert "css/admin.css" in head
        assert "data-theme-toggle" in body
    assert 'href="/language/en/?next=/admin/users/"' in spanish


@pytest.mark.parametrize("path", ["/admin/", "/admin/users/", "/admin/work/"])
def test_no_driver_sees_it(client, work, path):
    client.log_in(UserFactory())

    assert client.get(path).status_code == 403
