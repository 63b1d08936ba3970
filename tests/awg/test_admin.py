"""The staff screens of cables and conduits."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from app.blueprints.awg import services, tables
from app.blueprints.awg.models import CableSize, ConduitFill
from tests.accounts.screens import actions, count
from tests.databases import both_databases
from tests.factories import UserFactory

CABLES, CONDUITS = "/admin/cables/", "/admin/conduits/"


@pytest.fixture
def work(work):
    """Tables as the migration leaves them, on either database."""
    services.seed(work, reset=True)
    return work


def cable(work) -> CableSize:
    return work.scalars(select(CableSize).where(CableSize.awg_size == "12", CableSize.material == "cu")).one()


def form(row) -> dict[str, object]:
    """What its form holds."""
    return {
        column.key: "" if getattr(row, column.key) is None else getattr(row, column.key)
        for column in row.__table__.columns
        if column.key != "id"
    }


@both_databases
def test_the_tables_are_shown(staff, work):
    assert count(work, CableSize) == 41
    text = staff.get(CABLES).text
    assert "Ohms per 1000 m" in text
    assert "2.053" in text
    assert "1/0" in staff.get(CONDUITS).text


@both_databases
def test_staff_correct_a_row(staff, work):
    row = cable(work)

    staff.submit(f"{CABLES}edit/?id={row.id}", form(row) | {"amps_60c": "16", "k_ohm_km": "5.5"})

    work.refresh(row)
    assert (row.amps_60c, row.amps_75c, row.k_ohm_km, row.dia_mm) == (16, 25, 5.5, 2.05253)
    assert actions(work) == [("staff", "update", "cable_size")]


@both_databases
def test_staff_empty_a_cell_and_remove_and_add_a_row(staff, work):
    chosen = select(ConduitFill).where(ConduitFill.conduit == "fmc", ConduitFill.trade_size == "1")
    row = work.scalars(chosen).one()
    told = form(row)
    staff.submit(f"{CONDUITS}edit/?id={row.id}", told | {"awg_1": ""})
    work.refresh(row)
    assert (row.awg_1, row.awg_2) == (None, 3)

    staff.submit(f"{CONDUITS}delete/", {"id": row.id})
    assert count(work, ConduitFill) == 39
    staff.submit(f"{CONDUITS}new/", told)
    assert count(work, ConduitFill) == 40


@both_databases
def test_what_is_no_row_is_refused(staff, work):
    told = form(cable(work)) | {"awg_size": "14", "material": "al"}
    for wrong in (
        {"awg_size": "13"}, {"material": "ag"}, {"line_num": "0"}, {"line_num": "4"}, {"amps_60c": "0"},
        {"amps_60c": "x"}, {"dia_in": "-1"}, {"k_ohm_km": "0"}, {"area_mm2": ""}, {"area_mm2": "nan"},
        {"awg_size": "12", "material": "cu"}, {"dia_mm": "1e400"}, {"amps_90c": "9" * 30},
    ):  # fmt: skip
        answer = staff.submit(f"{CABLES}new/", told | wrong)

        assert answer.status_code == 200, wrong
        assert count(work, CableSize) == 41
    staff.submit(f"{CABLES}new/", told)
    assert count(work, CableSize) == 42


def test_the_tables_are_sorted_searched_and_filtered(app, staff, work):
    for url in ("cables", "conduits"):
        view = next(view for view in app.extensions["admin"][0]._views if view.url == f"/admin/{url}")
        addresses = {
            f"/admin/{url}/?flt0_{view.get_filter_arg(number, flt)}={value}"
            for number, flt in enumerate(view._filters)
            for value in ("x",)
        }
        links = re.findall(rf'href="(/admin/{url}/[^"]*sort=[^"]*)"', staff.get(f"/admin/{url}/").text)
        addresses |= set(map(html.unescape, links[:3]))
        for address in (*addresses, f"/admin/{url}/?search=12"):
            assert staff.get(address).status_code == 200, address


def test_every_size_has_its_column():
    assert {tables.fill_column(size) for size in tables.SIZES} <= set(ConduitFill.__table__.columns.keys())


def test_strangers_and_drivers_do_not_see_them(client, work):
    for page in (CABLES, CONDUITS):
        assert client.get(page).status_code == 302
    client.log_in(UserFactory())
    assert client.get(CABLES).status_code == 403
