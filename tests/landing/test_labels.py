"""Labels with QR codes: for all chargers and for chosen ones, in sizes, paged, for staff alone."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.views import labels
from app.blueprints.qrcodes.models import QRLink
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerFactory, UserFactory

PAGE = "/ocpp/labels/"


def shown(browser: Browser, query: str = "") -> list[str]:
    """The ids on the labels of a page."""
    text = browser.get(PAGE + query).text
    return [html.unescape(id) for id in re.findall(r'class="qr-label" data-charger="([^"]*)"', text)]


@both_databases
def test_every_charger_has_a_label_with_name_id_address_and_code(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1", name="North gate")
    ChargerFactory(charger_id="CP2")

    text = staff.get(PAGE).text

    assert shown(staff) == ["CP1", "CP2"]
    links = work.scalars(select(QRLink).order_by(QRLink.id)).all()
    assert {link.value for link in links} == {f"http://localhost:8000/ocpp/c/{id}/" for id in ("CP1", "CP2")}
    for link in links:
        assert f'src="/qrcodes/images/{link.image}"' in text
        assert f'qr-label-url">{link.value}<' in text
    assert 'qr-label-name">North gate<' in text
    assert 'qr-label-id">CP1<' in text
    assert 'qr-label-name">CP2<' in text
    assert work.scalars(select(Charger.qr_id)).all() == [link.id for link in links]


def test_labels_are_paged_and_each_page_costs_the_same(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory.create_batch(labels.PER_PAGE + 5)

    first, second = shown(staff), shown(staff, "?page=2&per_page=1000&size=small")

    assert len(first) == labels.PER_PAGE
    assert len(second) == 5
    assert sorted({*first, *second}) == [*first, *second]
    assert 'href="?size=small&amp;page=2"' in staff.get(f"{PAGE}?size=small").text
    assert "There is no such page." in staff.get(f"{PAGE}?page=3").text


def test_the_admins_list_prints_the_selected(staff: Browser, work: UnitOfWork) -> None:
    chosen = [ChargerFactory(charger_id=id) for id in ("A", "B", "C")][::2]
    work.flush()

    answer = staff.submit(
        "/admin/charger/action/", {"action": "labels", "rowid": [charger.id for charger in chosen]}
    )

    assert answer.location == f"{PAGE}?id={chosen[0].id}&id={chosen[1].id}"
    assert shown(staff, answer.location.removeprefix(PAGE)) == ["A", "C"]
    assert staff.get("/admin/qr_labels/").location == PAGE


def test_labels_are_searched_by_id_and_name(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="A", name="North")
    ChargerFactory(charger_id="B", name="South")

    assert shown(staff, "?q=nor") == ["A"]
    assert shown(staff, "?q=100%25") == []
    assert "No charger has this in its id or name." in staff.get(f"{PAGE}?q=x").text


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_labels_have_sizes(staff: Browser, work: UnitOfWork, size: str) -> None:
    ChargerFactory()

    assert f'class="labels labels-{size}"' in staff.get(f"{PAGE}?size={size}").text


def test_what_makes_no_sense_shows_labels_all_the_same(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="<b>&", name='"><script>alert(1)</script>')

    assert shown(staff, "?size=huge&id=x&id=-1&q=") == ["<b>&"]
    assert shown(staff, "?id=999999999") == []
    assert "<script>alert" not in staff.get(PAGE).text
    assert staff.get(f"{PAGE}?page=x").status_code == 400


def test_an_empty_site_and_a_local_address_are_told(app: Flask, staff: Browser) -> None:
    text = staff.get(PAGE).text
    assert "There is no charger yet." in text
    assert "it means the phone itself" in text

    app.config["PUBLIC_URL"] = "https://charge.example.com"
    assert "it means the phone itself" not in staff.get(PAGE).text


def test_labels_are_remade_when_the_address_changes(app: Flask, staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1")
    staff.get(PAGE)
    staff.get(PAGE)
    assert work.scalar(select(func.count(QRLink.id))) == 1

    app.config["PUBLIC_URL"] = "https://charge.example.com"

    assert 'qr-label-url">https://charge.example.com/ocpp/c/CP1/<' in staff.get(PAGE).text


def test_labels_are_for_staff(client: Browser, work: UnitOfWork) -> None:
    assert client.get(PAGE).location == "/login/?next=/ocpp/labels/"
    client.log_in(UserFactory())
    assert client.get(PAGE).status_code == 403
    assert client.get("/admin/qr_labels/").status_code == 403
