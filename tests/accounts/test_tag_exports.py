"""The RFID tags of the staff's list as files."""

from __future__ import annotations

import html
import io
import re

import openpyxl
import pytest

from app.blueprints.accounts.admin import tag_exports
from app.blueprints.accounts.services import rfids, tag_files
from app.blueprints.accounts.services.tag_lines import TagLine
from tests.databases import both_databases
from tests.factories import RFIDFactory

EXPORT = "/admin/rfids/export"


@pytest.fixture
def _tags(staff, work):
    RFIDFactory(rfid="CCCCCCCC", user=None, allowed=False)
    RFIDFactory(rfid="AAAAAAAA", user__username="joe")
    RFIDFactory(rfid="01234567890123", user__username="@mary")
    RFIDFactory(rfid="BBBBBBBB", user__username="josé")


def filtered(app, name, value):
    """What the list's address says when a filter is set."""
    view = next(view for view in app.extensions["admin"][0]._views if view.endpoint == "admin_rfid")
    number = next(
        number
        for number, one in enumerate(view._filters)
        if str(one.name) == name and str(one.operation()) == "equals"
    )
    return f"flt0_{number}={value}"


def sheet(answer):
    return openpyxl.load_workbook(io.BytesIO(answer.data)).active


@both_databases
@pytest.mark.usefixtures("_tags")
def test_csv_holds_every_tag_ordered_by_rfid(staff):
    answer = staff.get(f"{EXPORT}/csv/")

    assert answer.mimetype == "text/csv"
    assert 'filename="rfids.csv"' in answer.headers["Content-Disposition"]
    assert answer.text == (
        "rfid,user,allowed\n"
        "01234567890123,'@mary,True\n"
        "AAAAAAAA,joe,True\n"
        "BBBBBBBB,josé,True\n"
        "CCCCCCCC,,False\n"
    )


@both_databases
@pytest.mark.usefixtures("_tags")
def test_a_workbook_holds_the_same_and_ids_stay_text(staff):
    found = sheet(staff.get(f"{EXPORT}/xlsx/"))

    assert list(found.values) == [
        ("rfid", "user", "allowed"),
        ("01234567890123", "'@mary", True),
        ("AAAAAAAA", "joe", True),
        ("BBBBBBBB", "josé", True),
        ("CCCCCCCC", None, False),
    ]
    assert found["A2"].number_format == found.column_dimensions["A"].number_format == "@"


@both_databases
@pytest.mark.usefixtures("_tags")
def test_what_the_list_shows_is_exported(app, staff):
    by_filter, by_search = filtered(app, "User name", "joe"), "search=%40mary"
    for address, expected in (
        (by_search, ["01234567890123"]),
        (by_filter, ["AAAAAAAA"]),
        (f"{filtered(app, 'Allowed', '0')}&page=7&page_size=1&sort=0&desc=1", ["CCCCCCCC"]),
        (f"{by_search}&{by_filter}", []),
    ):
        lines = staff.get(f"{EXPORT}/csv/?{address}").text.splitlines()
        assert [line.partition(",")[0] for line in lines[1:]] == expected
        cells = sheet(staff.get(f"{EXPORT}/xlsx/?{address}"))["A"][1:]
        assert [cell.value for cell in cells] == expected


@pytest.mark.usefixtures("_tags")
def test_the_list_offers_what_it_shows_and_all(app, staff):
    def offers(address):
        page = html.unescape(staff.get(address).text)
        return re.findall(rf'href="({EXPORT}/[^"]*)"', page)

    assert offers("/admin/rfids/") == [f"{EXPORT}/csv/", f"{EXPORT}/xlsx/"]
    shown = offers("/admin/rfids/?search=joe&export_type=y")
    assert shown == [
        *(f"{EXPORT}/{kind}/?search=joe&export_type=y" for kind in ("csv", "xlsx")),
        *(f"{EXPORT}/csv/", f"{EXPORT}/xlsx/"),
    ]
    assert "What is shown (1), as CSV" in staff.get("/admin/rfids/?search=joe").text
    assert 'href="/admin/tag-imports/new/"' in staff.get("/admin/rfids/").text


@both_databases
def test_tags_are_read_in_pieces(staff, work, monkeypatch):
    monkeypatch.setattr(rfids, "PIECE", 3)
    names = sorted(RFIDFactory(user=None).rfid for _ in range(7))

    for kind in ("csv", "xlsx"):
        answer = staff.get(f"{EXPORT}/{kind}/")
        if kind == "csv":
            assert [line.partition(",")[0] for line in answer.text.splitlines()[1:]] == names
        else:
            assert [cell.value for cell in sheet(answer)["A"][1:]] == names


@pytest.mark.usefixtures("_tags")
def test_what_is_exported_can_be_imported(staff):
    for kind in ("csv", "xlsx"):
        upload = staff.get(f"{EXPORT}/{kind}/").data
        lines = list(tag_files.read_upload(upload, 10, []))
        assert all(isinstance(line, TagLine) for line in lines)
        assert [line.username for line in lines] == ["@mary", "joe", "josé", ""]


@pytest.mark.usefixtures("_tags")
def test_a_workbook_has_its_limit_and_csv_has_none(staff, monkeypatch):
    monkeypatch.setattr(tag_exports, "MOST_IN_WORKBOOK", 3)

    answer = staff.get(f"{EXPORT}/xlsx/")
    assert answer.status_code == 400
    assert "XLSX holds 3 tags at most: export CSV, or fewer tags" in answer.text
    assert staff.get(f"{EXPORT}/xlsx/?search=joe").status_code == 200
    assert staff.get(f"{EXPORT}/csv/").status_code == 200


@both_databases
def test_nonsense_is_never_an_error_of_ours(staff):
    for address in ("pdf/", "csv/?search=%00", "xlsx/?search=%00", "csv/?flt0_0=%00", "xlsx/?flt99_99=x"):
        answer = staff.get(f"{EXPORT}/{address}")
        assert answer.status_code < 500, address
        answer.get_data()


def test_strangers_and_drivers_get_nothing(client, api, work):
    for kind in ("csv", "xlsx"):
        assert client.get(f"{EXPORT}/{kind}/").location.startswith("/login/")
        assert client.get(f"{EXPORT}/{kind}/", headers=api).status_code == 403
