"""The map of the chargers, and that in the admin: who sees them, what they may load, what works without."""

from __future__ import annotations

from typing import Any

import pytest

from app import config, maps
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerFactory

TILES = "https://tile.openstreetmap.org"


def policy(answer: Any) -> str:
    return str(answer.headers["Content-Security-Policy"])


@both_databases
def test_only_chargers_with_coordinates_are_on_the_map(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="HERE", name="Plaza", latitude="25.6866", longitude="-100.3161")
    ChargerFactory(charger_id="NOWHERE")
    ChargerFactory(charger_id="HALF", latitude="25.6866")

    page = client.get("/ocpp/map/").text

    assert 'data-charger="HERE" data-latitude="25.686600" data-longitude="-100.316100"' in page
    assert "Plaza" in page
    assert 'href="geo:25.686600,-100.316100">25.6866, -100.3161<' in page
    assert "Offline" in page
    assert "NOWHERE" not in page
    assert "HALF" not in page
    assert 'data-events="/ocpp/events/?located=1&amp;per_page=1000"' in page


def test_the_maps_events_are_of_the_chargers_on_it(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="HERE", latitude=1, longitude=2)
    ChargerFactory(charger_id="NOWHERE")

    answer = client.get("/ocpp/events/?located=1", buffered=False)
    told = next(chunk for chunk in answer.iter_encoded() if b"chargers" in chunk)
    answer.close()

    assert b"HERE" in told
    assert b"NOWHERE" not in told


def test_filters_of_the_map(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="A", latitude=1, longitude=2)
    ChargerFactory(charger_id="B", latitude=1, longitude=2, blocked=True)

    assert 'data-charger="A"' not in client.get("/ocpp/map/?state=blocked").text
    assert 'data-charger="B"' in client.get("/ocpp/map/?state=blocked").text
    assert "No charger on the map is like this." in client.get("/ocpp/map/?q=zzz").text
    assert "There is no such page." in client.get("/ocpp/map/?page=2").text
    assert client.get("/ocpp/map/?state=x").status_code == 400


def test_a_map_without_chargers_says_how_they_come_there(client: Browser, staff: Browser) -> None:
    assert "No charger has coordinates yet." in client.get("/ocpp/map/").text
    assert "/admin/charger/" in staff.get("/ocpp/map/").text


def test_only_pages_with_a_map_may_load_tiles(client: Browser, staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(latitude=1, longitude=2)
    edit = staff.get(f"/admin/charger/edit/?id={charger.id}")

    for with_map in (client.get("/ocpp/map/"), edit, staff.get("/admin/charger/new/")):
        assert f"img-src {TILES} 'self'" in policy(with_map)
        assert with_map.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    for without in (client.get("/ocpp/"), staff.get("/admin/charger/"), staff.get("/admin/simulator/new/")):
        assert "https:" not in policy(without)


@pytest.fixture
def private(overrides: dict[str, Any]) -> None:
    """Only staff see the dashboard."""
    overrides["PUBLIC_DASHBOARD"] = False


@pytest.mark.usefixtures("private")
def test_a_private_map_is_for_staff(client: Browser, staff: Browser) -> None:
    assert client.get("/ocpp/map/").location == "/login/?next=/ocpp/map/"
    assert staff.get("/ocpp/map/").status_code == 200


@pytest.fixture
def no_tiles(overrides: dict[str, Any]) -> None:
    """A site that shows no tiles."""
    overrides["MAP_TILES_URL"] = "none"


@pytest.mark.usefixtures("no_tiles")
def test_a_map_without_tiles_loads_nothing_from_elsewhere(client: Browser, work: UnitOfWork) -> None:
    ChargerFactory(latitude=1, longitude=2)

    answer = client.get("/ocpp/map/")

    assert 'data-tiles=""' in answer.text
    assert "https:" not in policy(answer)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://tile.example.com/{z}/{x}/{y}.png", "https://tile.example.com"),
        ("http://{s}.tile.example.com:81/{z}/{x}/{y}", "http://*.tile.example.com:81"),
        ("/static/tiles/{z}/{x}/{y}.png", ""),
    ],
)
def test_where_tiles_come_from(url: str, origin: str) -> None:
    assert maps.is_tiles_url(url)
    assert maps._origin(url) == origin


@pytest.mark.parametrize(
    "url",
    ["https://x/{z}/{x}.png", "ftp://x/{z}/{x}/{y}", "https://x/{z}/{x}/{y};script-src *", "x{z}{x}{y}"],
)
def test_an_address_of_tiles_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="MAP_TILES_URL"):
        config.settings({"MAP_TILES_URL": url})


def test_the_fields_of_the_form_work_without_the_map(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory()
    address = f"/admin/charger/edit/?id={charger.id}"
    assert 'data-latitude="25.6866" data-longitude="-100.3161"' in staff.get(address).text

    form = {"csrf_token": staff.csrf_token(), "latitude": "25.5", "longitude": "-100.25", "config": "{}"}
    answer = staff.post(address, data=form | {"registration_status": "Accepted", "validation": ""})

    assert answer.status_code == 302
    work.refresh(charger)
    assert (charger.latitude, charger.longitude) == (25.5, -100.25)
