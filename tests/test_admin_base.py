"""What every staff screen does: CSRF, one unit of work with its audit entry, refusals as sentences."""

from __future__ import annotations

import html
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.admin_base import StaffView
from app.blueprints.accounts.models import RFID, AuditEntry, User
from app.blueprints.accounts.services import audit
from app.db import db
from app.domain_error import DomainError
from tests.databases import both_databases
from tests.factories import ChargerFactory, ConnectorFactory, RFIDFactory, UserFactory


class Refused(DomainError):
    """What a service says."""


class PlainScreen(StaffView):
    """A screen that overrides nothing."""

    column_editable_list = ("parent",)
    form_columns = ("rfid", "allowed", "parent", "user", "expires_at")


class RefusingScreen(PlainScreen):
    """Every write is refused, after it was made."""

    def on_model_change(self, form, model, is_created):
        db.session.flush()
        raise Refused("not on a Sunday")

    on_model_delete = lambda self, model: self.on_model_change(None, model, False)  # noqa: E731


@pytest.fixture
def overrides():
    """An application of its own: addresses are added to it."""
    return {"SECRET_KEY": "its own"}


@pytest.fixture(autouse=True)
def _screens(app):
    admin = app.extensions["admin"][0]
    admin.add_view(PlainScreen(RFID, db, endpoint="plain", url="plain"))
    admin.add_view(RefusingScreen(RFID, db, endpoint="refusing", url="refusing"))
    admin.add_view(StaffView(User, db, endpoint="bare_user", url="bare_user"))


def trail(work):
    return work.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()


def token_in(form):
    return html.unescape(re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)[1])


def forms_of(page):
    return re.findall(r"<form[^>]*method=\"POST\".*?</form>", page, re.S | re.I)


@pytest.mark.parametrize(
    ("address", "data"),
    [
        ("new/", {"rfid": "BBBBBBBB"}),
        ("edit/?id=1", {"rfid": "BBBBBBBB"}),
        ("delete/", {"id": "1"}),
        ("action/", {"action": "delete", "rowid": "1"}),
        ("ajax/update/", {"list_form_pk": "1", "parent": "X"}),
    ],
)
def test_every_write_needs_the_token_that_the_page_carries(staff, work, address, data):
    tag = RFIDFactory(rfid="AAAAAAAA")
    page = staff.get(f"/admin/plain/{address if address.startswith(('new', 'edit')) else ''}").text

    for bad in ({}, {"csrf_token": ""}, {"csrf_token": "x"}):
        assert staff.post(f"/admin/plain/{address}", data=data | bad).status_code == 400
    assert (tag.rfid, tag.parent) == ("AAAAAAAA", None)
    assert trail(work) == []

    carrier = {"delete/": 'action="/admin/plain/delete/"', "action/": 'action="/admin/plain/action/"'}.get(
        address
    )
    if address.startswith("ajax"):
        token = html.unescape(re.search(r'data-csrf="([^"]+)"', page)[1])
    else:
        token = token_in(next(form for form in forms_of(page) if carrier is None or carrier in form))
    assert staff.post(f"/admin/plain/{address}", data=data | {"csrf_token": token}).status_code < 400
    assert len(trail(work)) == 1


def test_every_form_that_posts_carries_a_token(staff, work):
    RFIDFactory()
    for address in ("", "new/", "edit/?id=1", "details/?id=1"):
        for form in forms_of(staff.get(f"/admin/plain/{address}").text):
            assert token_in(form)


def test_what_destroys_asks_first(staff, work):
    RFIDFactory()
    page = staff.get("/admin/plain/").text

    assert "safeConfirm" in next(form for form in forms_of(page) if "/delete/" in form)
    assert "Are you sure" in re.search(r'id="actions-confirmation-data"[^>]*>([^<]*)', page)[1]


def test_nothing_is_written_by_a_get(staff, work):
    RFIDFactory()

    for address in ("delete/?id=1", "action/?action=delete&rowid=1", "ajax/update/"):
        assert staff.get(f"/admin/plain/{address}").status_code == 405
    assert work.scalars(select(RFID)).all()


@both_databases
def test_every_edit_says_who_changed_what(staff, work):
    joe, mary = UserFactory(username="joe"), UserFactory(username="mary")

    staff.submit("/admin/plain/new/", {"rfid": "AAAAAAAA", "allowed": "y", "user": joe.id})
    tag = work.scalars(select(RFID)).one()
    staff.submit(
        f"/admin/plain/edit/?id={tag.id}",
        {"rfid": "AAAAAAAA", "allowed": "y", "user": mary.id, "expires_at": "2030-01-01 00:00:00"},
    )
    staff.submit("/admin/plain/delete/", {"id": tag.id})

    created, updated, deleted = trail(work)
    who = work.scalars(select(User).where(User.username == "staff")).one()
    for entry in (created, updated, deleted):
        assert (entry.user_id, entry.username, entry.subject, entry.subject_id) == (
            who.id,
            "staff",
            "rfid",
            "1",
        )
        assert abs(entry.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (created.action, created.details["rfid"]) == ("create", [None, "AAAAAAAA"])
    assert updated.action == "update"
    assert updated.details == {
        "user_id": [joe.id, mary.id],
        "expires_at": [None, "2030-01-01T00:00:00+00:00"],
    }
    assert (deleted.action, deleted.details["rfid"]) == ("delete", ["AAAAAAAA", None])
    assert work.scalars(select(RFID)).all() == []


def test_secrets_are_in_the_trail_only_as_changed():
    before = {"auth_key_hash": "a", "password": "b", "token_hash": "c", "name": "d", "session_key": "e"}

    found = audit.changes(before, dict.fromkeys(before, "new"))

    assert found.pop("name") == ["d", "new"]
    assert set(found.values()) == {"changed"}


@both_databases
def test_a_refusal_is_a_sentence_and_changes_nothing(staff, work):
    tag = RFIDFactory(rfid="AAAAAAAA")

    answers = [
        staff.submit("/admin/refusing/new/", {"rfid": "BBBBBBBB"}),
        staff.submit(f"/admin/refusing/edit/?id={tag.id}", {"rfid": "BBBBBBBB"}),
        staff.submit("/admin/refusing/delete/", {"id": tag.id}, follow_redirects=True),
        staff.submit("/admin/refusing/action/", {"action": "delete", "rowid": tag.id}, follow_redirects=True),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert "not on a Sunday" in answer.text
    assert [row.rfid for row in work.scalars(select(RFID))] == ["AAAAAAAA"]
    assert trail(work) == []


@both_databases
def test_what_is_referred_to_is_not_deleted_and_nothing_is_cut_loose(staff, work):
    tag = RFIDFactory()
    user = tag.user

    for address, data in (("delete/", {"id": user.id}), ("action/", {"action": "delete", "rowid": user.id})):
        answer = staff.submit(f"/admin/bare_user/{address}", data, follow_redirects=True)
        assert answer.status_code == 200
        assert "This has history, so it cannot be deleted." in answer.text
        assert "successfully" not in answer.text

    assert tag.user is user
    assert user.account is not None
    assert trail(work) == []


@both_databases
def test_another_row_with_the_same_value_is_a_sentence(staff, work):
    tags = [RFIDFactory(rfid="AAAAAAAA"), RFIDFactory(rfid="BBBBBBBB")]

    answer = staff.submit("/admin/plain/ajax/update/", {"list_form_pk": tags[0].id, "parent": "x" * 21})
    assert answer.status_code == 500  # what x-editable shows as an error
    answer = staff.submit(f"/admin/plain/edit/?id={tags[0].id}", {"rfid": "BBBBBBBB"})

    assert "Already exists." in answer.text
    assert tags[0].rfid == "AAAAAAAA"


@both_databases
def test_a_row_that_is_gone_is_a_sentence(staff, work):
    for address, data in (("edit/?id=7", {"rfid": "AAAAAAAA"}), ("delete/", {"id": "7"})):
        answer = staff.submit(f"/admin/plain/{address}", data, follow_redirects=True)
        assert answer.status_code == 200
        assert "Record does not exist." in answer.text


def test_lists_are_paged(staff, work):
    for _ in range(51):
        RFIDFactory()

    assert staff.get("/admin/plain/").text.count('name="rowid"') == 50
    assert staff.get("/admin/plain/?page=1").text.count('name="rowid"') == 1
    assert staff.get("/admin/plain/?page_size=20").text.count('name="rowid"') == 20
    assert staff.get("/admin/plain/?page_size=100000").text.count('name="rowid"') <= 51


@pytest.mark.parametrize("overrides", [{"BABEL_DEFAULT_TIMEZONE": "America/Monterrey"}])
def test_times_are_typed_and_shown_in_the_sites_zone(staff, work):
    staff.submit(
        "/admin/plain/new/", {"rfid": "AAAAAAAA", "allowed": "y", "expires_at": "2030-01-01 00:00:00"}
    )

    tag = work.scalars(select(RFID)).one()
    assert tag.expires_at == datetime(2030, 1, 1, 6, tzinfo=UTC)
    assert "2030-01-01 00:00:00" in staff.get(f"/admin/plain/edit/?id={tag.id}").text
    for address in ("", f"details/?id={tag.id}"):
        assert "Jan 1, 2030, 12:00:00\u202fAM" in staff.get(f"/admin/plain/{address}").text
        spanish = staff.get(f"/admin/plain/{address}", headers={"Accept-Language": "es"}).text
        assert "1 ene 2030, 12:00:00\u202fa.m." in spanish


@both_databases
def test_times_can_be_filtered(app, staff, work):
    RFIDFactory(rfid="AAAAAAAA", expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    RFIDFactory(rfid="BBBBBBBB", expires_at=datetime(2031, 1, 1, tzinfo=UTC))
    RFIDFactory(rfid="CCCCCCCC")

    def found(operation, value):
        view = next(view for view in app.extensions["admin"][0]._views if view.endpoint == "admin_rfid")
        (n,) = [
            n
            for n, flt in enumerate(view._filters)
            if str(flt.name) == "Expires at" and str(flt.operation()) == operation
        ]
        page = staff.get("/admin/rfids/", query_string={f"flt0_{n}": value}).text
        return set(re.findall("AAAAAAAA|BBBBBBBB|CCCCCCCC", page))

    assert found("greater than", "2030-06-01 00:00:00") == {"BBBBBBBB"}
    assert found("smaller than", "2030-06-01 00:00:00") == {"AAAAAAAA"}
    assert found("between", "2030-01-01 00:00:00 to 2031-01-01 00:00:00") == {"AAAAAAAA", "BBBBBBBB"}
    assert found("empty", "1") == {"CCCCCCCC"}


@both_databases
def test_edits_at_the_same_time_all_count(app, staff, work):
    ids = [RFIDFactory().id for _ in range(2)]
    work.commit()
    token, cookie = staff.csrf_token(), staff.get_cookie("session").value
    answers = []

    def edit(tag_id):
        browser = app.test_client()
        browser.set_cookie("session", cookie)
        for n in range(10):
            data = {"rfid": f"{tag_id}A{n:06}", "allowed": "y", "csrf_token": token}
            answers.append(browser.post(f"/admin/plain/edit/?id={tag_id}", data=data).status_code)

    threads = [threading.Thread(target=edit, args=[tag_id]) for tag_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    work.rollback()
    assert answers == [302] * 20
    assert {tag.rfid for tag in work.scalars(select(RFID))} == {f"{tag_id}A000009" for tag_id in ids}
    assert len(trail(work)) == 20


@both_databases
def test_deleting_several_deletes_those_that_can_be(staff, work):
    free, taken = ChargerFactory(), ConnectorFactory().charger
    view = StaffView(type(free), db, endpoint="bare_charger", url="bare_charger")
    staff.application.extensions["admin"][0].add_view(view)

    data = {"action": "delete", "rowid": [free.id, taken.id, 999]}
    answer = staff.submit("/admin/bare_charger/action/", data, follow_redirects=True)

    assert "1 deleted." in answer.text
    assert "has history" in answer.text
    assert [charger.id for charger in work.scalars(select(type(free)))] == [taken.id]


def test_the_first_page_leads_to_every_screen(app, staff):
    page = staff.get("/admin/").text

    screens = [view for view in app.extensions["admin"][0]._views if view.category]
    assert len(screens) > 10
    for view in screens:
        assert f'href="{view.url}/"' in page.partition('class="row"')[2], view.name


@pytest.mark.parametrize(
    "name", ["self", "endpoint", "values", "export_type", "_anchor", "_external", "_method", "_scheme"]
)
@pytest.mark.parametrize("address", ["", "new/", "edit/?id=1", "details/?id=1"])
def test_a_parameter_that_is_nobodys_is_passed_over(staff, work, address, name):
    tag = RFIDFactory(rfid="AAAAAAAA")
    sign = "&" if "?" in address else "?"

    answer = staff.get(f"/admin/plain/{address.replace('id=1', f'id={tag.id}')}{sign}{name}=x")

    assert answer.status_code == 200
    assert "<form" in answer.text or "AAAAAAAA" in answer.text
