"""The staff screens of Odoo: passwords go in and never come out, checks are asked for and seen."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql

from app import doorbell
from app.blueprints.accounts.models import AuditEntry
from app.blueprints.odoo import services, tasks
from app.blueprints.odoo.client import Report
from app.blueprints.odoo.models import Instance, InstanceCheck
from app.clock import utcnow
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import InstanceFactory, UserFactory

SCREEN = "/admin/odoo/"
NEW = {
    "name": "Sales", "url": " https://odoo.example.com/ ", "database": "sales", "username": "ann",
    "new_password": "hunter2",
}  # fmt: skip
STORED = sql("SELECT password FROM odoo_instance")


@pytest.fixture
def rung(monkeypatch) -> list[str]:
    """The bells that were rung; no worker hears them."""
    bells: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, *arguments: bells.append(task.name))
    return bells


def row_of(work) -> Instance:
    work.rollback()
    return work.scalars(select(Instance).execution_options(populate_existing=True)).one()


@both_databases
def test_an_instance_is_named_and_checked_at_once(staff, work, rung):
    answer = staff.submit(f"{SCREEN}new/", NEW)

    assert answer.status_code == 302
    row = row_of(work)
    assert (row.name, row.url, row.database, row.username, row.password) == (
        "Sales", "https://odoo.example.com", "sales", "ann", "hunter2",
    )  # fmt: skip
    assert row.state == "waiting"
    assert rung == ["odoo.check_instances"]


@both_databases
def test_an_empty_password_field_leaves_the_password_as_it_is(staff, work, rung):
    row = InstanceFactory(url="https://odoo.example.com", password="hunter2")

    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "", "database": "other"})
    assert (row_of(work).database, row_of(work).password, row_of(work).state) == (
        "other",
        "hunter2",
        "waiting",
    )

    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "changed"})
    assert row_of(work).password == "changed"


def test_another_name_needs_no_check(staff, work, rung):
    row = InstanceFactory(url="https://odoo.example.com", password="hunter2")

    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "", "name": "New"})

    assert (row_of(work).name, row_of(work).state) == ("New", "never")


def test_a_password_that_cannot_be_read_is_kept_until_it_is_entered_again(app, work, rung):
    row = InstanceFactory(url="https://odoo.example.com")
    work.commit()
    stored = work.scalar(STORED)
    app.config["SECRET_KEY"] = "another"
    staff = app.test_client().log_in(UserFactory(is_staff=True))  # whoever was logged in no longer is

    for path in (SCREEN, f"{SCREEN}details/?id={row.id}", f"{SCREEN}edit/?id={row.id}"):
        assert staff.get(path).status_code == 200
    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "", "name": "New"})
    assert row_of(work).name == "New"
    assert work.scalar(STORED) == stored
    assert row_of(work).password is None

    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW)
    assert row_of(work).password == "hunter2"


@both_databases
def test_a_password_is_never_shown_again(staff, work, rung):
    staff.submit(f"{SCREEN}new/", NEW)
    row = row_of(work)
    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "hunter3"})
    staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"new_password": "hunter4", "url": "nonsense"})
    services.record(work, row.id, Report("fault", "no"))
    of_it = [f"{SCREEN}{page}/?id={row.id}" for page in ("details", "edit", "states")]
    texts = [staff.get(page).text for page in (SCREEN, *of_it, "/admin/odoo-checks/", "/admin/audit/")]
    texts.append(staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"url": "nonsense"}).text)

    assert "hunter" not in "".join(texts)
    staff.submit(f"{SCREEN}delete/", {"id": row.id})
    trail = work.scalars(select(AuditEntry)).all()
    assert [(entry.action, entry.details.get("password")) for entry in trail] == [
        ("create", "changed"), ("update", "changed"), ("delete", "changed"),
    ]  # fmt: skip
    assert not re.search("hunter|gAAAA", str([entry.details for entry in trail]))


@pytest.mark.parametrize(
    "url", ["https://evil.example", "http://odoo.example.com", "https://odoo.example.com:8443"]
)
def test_a_password_that_is_kept_does_not_go_to_another_server(staff, work, rung, url):
    row = InstanceFactory(url="https://odoo.example.com", password="hunter2")

    answer = staff.submit(f"{SCREEN}edit/?id={row.id}", NEW | {"url": url, "new_password": ""})

    assert "enter the password again: the address has changed" in answer.text
    assert f'value="{url}"' in answer.text  # nothing that was typed is lost
    assert row_of(work).url == "https://odoo.example.com"
    assert rung == []


@both_databases
def test_what_is_no_instance_is_refused_next_to_its_field(staff, work, rung):
    InstanceFactory(name="Known")
    for wrong, sentence in (
        ({"name": ""}, "This field is required."),
        ({"name": "Known"}, "Already exists."),
        ({"name": "x" * 101}, "Field cannot be longer than 100 characters."),
        ({"url": "odoo"}, "the address must be one such as https://odoo.example.com"),
        ({"url": "ftp://odoo"}, "the address must be one such as"),
        ({"url": "https://ann:x@odoo"}, "leave the user name and the password out of the address"),
        ({"url": "https://" + "x" * 600}, "characters"),
        ({"database": "a\x01"}, "this must not contain control characters"),
        ({"username": ""}, "This field is required."),
        ({"new_password": ""}, "enter the password"),
        ({"new_password": "a\x01"}, "this must not contain control characters"),
        ({"new_password": "x" * 501}, "Field cannot be longer than 500 characters."),
    ):
        answer = staff.submit(f"{SCREEN}new/", NEW | wrong)

        assert answer.status_code == 200
        assert sentence in html.unescape(answer.text), wrong
        assert count(work, Instance) == 1
    assert rung == []


def badges(text: str) -> list[str]:
    return re.findall(r'<span class="badge badge-(\w+)[^>]*>([^<]*)</span>', text)


def test_the_list_tells_how_each_one_is(staff, work):
    now = utcnow()
    hour = timedelta(hours=1)
    InstanceFactory(name="a")
    InstanceFactory(name="b", asked_at=now)
    InstanceFactory(name="c", asked_at=now, leased_by="w", leased_until=now + hour)
    InstanceFactory(name="d", last_outcome="ok", last_checked_at=now - 3 * hour, last_ok_at=now - 3 * hour)
    InstanceFactory(name="e", last_outcome="server_error", last_fact="502 <b>Bad</b>", last_checked_at=now)

    text = staff.get(SCREEN).text

    assert badges(text) == [
        ("secondary", "Never checked"), ("info", "Waiting for the worker"), ("info", "Checking …"),
        ("success", "OK"), ("danger", "Failed"),
    ]  # fmt: skip
    assert "3 hours ago" in text
    assert "502 &lt;b&gt;Bad&lt;/b&gt;" in text


@both_databases
def test_many_are_tested_at_once_and_seen_without_loading_the_page_again(staff, work, rung):
    rows = [InstanceFactory(name=f"Odoo {n}") for n in range(3)]
    answer = staff.submit(f"{SCREEN}action/", {"action": "test", "rowid": [row.id for row in rows[:2]]},
                          follow_redirects=True)  # fmt: skip

    assert "2 checks are on their way." in messages(answer)
    assert rung == ["odoo.check_instances"]
    assert actions(work) == [("staff", "test connection", "odoo_instance")] * 2
    states = f"{SCREEN}states/?" + "&".join(f"id={row.id}" for row in rows)
    assert [told["busy"] for told in staff.get(states).json["states"]] == [True, True, False]

    tasks.check_instances()

    told = staff.get(states).json["states"]
    assert [(one["id"], one["busy"], one["state"], one["colour"]) for one in told] == [
        (row.id, False, "Failed", "danger") for row in rows
    ]
    assert told[0]["sentence"] == "The host refuses the connection: nothing listens at port 1."
    assert (told[0]["last_checked_at"], told[0]["last_ok_at"]) == ("just now", "never")


def test_the_state_of_what_does_not_exist_is_left_out(staff, work):
    row = InstanceFactory()

    answer = staff.get(f"{SCREEN}states/?id={row.id}&id=999&id=x&id=-1&id=")

    assert [told["id"] for told in answer.json["states"]] == [row.id]
    assert staff.get(f"{SCREEN}states/").json == {"states": []}


@both_databases
def test_the_page_of_an_instance_shows_its_history(staff, work):
    row = InstanceFactory()
    page = f"{SCREEN}details/?id={row.id}"
    assert "It has not been checked yet." in staff.get(page).text
    for report in (Report("ok", duration_ms=12), Report("timeout", "10", duration_ms=10_000), Report("ok")):
        services.record(work, row.id, report)

    text = staff.get(page).text

    assert "2 of the last 3 checks ended well." in text
    assert "The server did not answer within 10 seconds." in text
    assert re.findall(r'<rect[^>]*fill="(#\w+)"', text) == ["#28a745", "#dc3545", "#28a745"]
    assert 'action="/admin/odoo/action/"' in text
    assert f'href="/admin/odoo-checks/?flt0_0={row.id}"' in text


def test_the_list_of_checks_is_that_of_one_instance(staff, work):
    one, other = InstanceFactory(name="One"), InstanceFactory(name="Other")
    services.record(work, one.id, Report("ok"))
    services.record(work, other.id, Report("fault", "KeyError"))

    text = staff.get(f"/admin/odoo-checks/?flt0_0={one.id}").text

    assert "KeyError" not in text
    assert ">One</a>" in text
    assert "KeyError" in staff.get("/admin/odoo-checks/").text
    assert staff.get("/admin/odoo-checks/new/").status_code != 200


@both_databases
def test_an_instance_is_deleted_with_its_history(staff, work, rung):
    row, other = InstanceFactory(), InstanceFactory()
    for each in (row, other):
        services.record(work, each.id, Report("ok"))
    assert "Are you sure you want to delete this record?" in staff.get(SCREEN).text

    staff.submit(f"{SCREEN}delete/", {"id": row.id})

    assert row_of(work).id == other.id
    assert count(work, InstanceCheck) == 1


def test_instances_are_sorted_searched_and_filtered(app, staff, work):
    InstanceFactory(name="north")
    InstanceFactory(name="south")
    page = staff.get(f"{SCREEN}?search=nor").text
    assert "north" in page
    assert "south" not in page
    for url in ("odoo", "odoo-checks"):
        view = next(view for view in app.extensions["admin"][0]._views if view.url == f"/admin/{url}")
        addresses = {
            f"/admin/{url}/?flt0_{view.get_filter_arg(number, flt)}={value}"
            for number, flt in enumerate(view._filters)
            for value in ("x", "2026-01-01 00:00:00")
        }
        addresses |= {f"/admin/{url}/?sort={number}&desc=1" for number in (0, 5, 7, 9)}
        for address in addresses:
            assert staff.get(address).status_code == 200, address


def test_strangers_drivers_and_tokens_do_not_see_instances(client, api, work):
    for page in (SCREEN, f"{SCREEN}states/?id=1", "/admin/odoo-checks/"):
        assert client.get(page).status_code == 302
        assert client.get(page, headers=api).status_code == 403
    client.log_in(UserFactory())
    assert client.get(SCREEN).status_code == 403


def test_the_screens_speak_spanish(staff, work):
    row = InstanceFactory(last_outcome="tls_expired")
    for page in (SCREEN, f"{SCREEN}details/?id={row.id}"):
        text = staff.get(page, headers={"Accept-Language": "es"}).text
        assert "TLS: el certificado del servidor ya venció." in text
        assert "Fallida" in text
