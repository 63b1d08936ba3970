"""What search engines are told of, and addresses that name their language."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from app.blueprints import DOMAINS
from app.blueprints.website import sitemap
from app.language import LANGUAGES
from tests.factories import UserFactory

LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"
LINK = "{http://www.w3.org/1999/xhtml}link"


def addresses(client, host="localhost:8000"):
    answer = client.get("/sitemap.xml", headers={"Host": host})
    assert answer.mimetype == "application/xml"
    return [url.findtext(LOC) for url in ElementTree.fromstring(answer.text)]


def test_every_address_in_the_sitemap_answers_a_stranger_in_its_language(client):
    found = addresses(client)

    assert "http://localhost:8000/?lang=es" in found
    for address in found:
        page = client.get(address.removeprefix("http://localhost:8000"))
        assert page.status_code == 200, address
        code = address.partition("?lang=")[2] or "en"
        assert page.text.partition('<html lang="')[2][:2] == code, address
        assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize(
    "path", ["/", "/ocpp/", "/chat/", "/awg/", "/readme/", "/api/docs", "/readme/of/ocpp/"]
)
def test_public_pages_are_in_it(client, path):
    assert f"http://localhost:8000{path}" in addresses(client)


@pytest.mark.parametrize(
    "path", ["/login/", "/accounts/", "/ocpp/my/", "/admin/", "/healthz", "/language/es/"]
)
def test_what_is_for_nobody_to_find_is_not_in_it(client, path):
    assert not any(address.startswith(f"http://localhost:8000{path}") for address in addresses(client))


def test_whoever_asks_it_is_the_same(client, work):
    before = addresses(client)

    client.log_in(UserFactory(is_staff=True))

    assert addresses(client) == before


@pytest.mark.parametrize("overrides", [{"PUBLIC_DASHBOARD": False}])
def test_a_dashboard_for_staff_is_neither_in_it_nor_in_a_strangers_navigation(client, staff):
    assert "http://localhost:8000/ocpp/" not in addresses(client)
    assert 'href="/ocpp/"' not in client.get("/chat/").text
    assert 'href="/ocpp/"' in staff.get("/chat/").text


@pytest.mark.parametrize("overrides", [{"PUBLIC_URL": "https://charge.example.com/"}])
def test_it_points_at_the_public_address_whatever_the_host(client):
    assert "https://charge.example.com/chat/" in addresses(client, "ocpp.localhost:8000")
    assert not [address for address in addresses(client) if "localhost" in address]
    assert "Sitemap: https://charge.example.com/sitemap.xml" in client.get("/robots.txt").text


def test_each_page_names_itself_in_every_language():
    root = ElementTree.fromstring(sitemap.written("https://a.example", ["/x/"]))

    assert len(root) == 1 + len(LANGUAGES)
    for url in root:
        links = {link.get("hreflang"): link.get("href") for link in url.iter(LINK)}
        assert links == {
            "x-default": "https://a.example/x/",
            "en": "https://a.example/x/?lang=en",
            "es": "https://a.example/x/?lang=es",
        }


def test_an_address_with_signs_of_xml_stays_an_address():
    (first, *_) = ElementTree.fromstring(sitemap.written("https://a.example", ["/c/<'\"&>/"]))

    assert first.findtext(LOC) == "https://a.example/c/<'\"&>/"


def test_it_never_holds_more_than_search_engines_read():
    text = sitemap.written("https://a.example", (f"/{number}/" for number in range(60_000)))

    assert 49_000 < text.count("<loc>") <= 50_000


def test_every_domain_with_a_readme_is_in_it(client):
    documents = {address for address in addresses(client) if "/readme/of/" in address and "?" not in address}

    assert {f"http://localhost:8000/readme/of/{name}/" for name in ("ocpp", "awg")} < documents
    assert len(documents) <= len(DOMAINS)


# Addresses that name their language


def test_it_comes_before_every_other_choice(client, work):
    client.log_in(UserFactory(language="es"))
    client.get("/language/es/")

    assert '<html lang="en">' in client.get("/chat/?lang=en", headers={"Accept-Language": "es"}).text
    assert '<html lang="es-MX">' in client.get("/chat/").text


def test_the_switch_leads_to_an_address_that_names_none(client):
    assert 'href="/language/en/?next=/chat/?a%3D1"' in client.get("/chat/?lang=es&a=1").text
    assert 'href="/language/en/?next=/chat/"' in client.get("/chat/?lang=es").text


@pytest.mark.parametrize("code", ["tlh", "", "ES", "es-MX", "x" * 300, "\0"])
def test_a_language_that_nobody_speaks_here_is_passed_over(client, code):
    page = client.get("/chat/", query_string={"lang": code}, headers={"Accept-Language": "es"})

    assert '<html lang="es-MX">' in page.text
