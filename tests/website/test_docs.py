"""The page that shows the OpenAPI document: all of it comes from here, and it works in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests import browsers
from tests.clients import Browser
from tests.servers import RunningServer, running_server


def test_the_page_and_all_that_it_needs_come_from_here(client: Browser) -> None:
    page = client.get("/api/docs")

    assert page.status_code == 200
    assert client.get("/api/docs/").status_code == 200
    addresses = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert not [address for address in addresses if "//" in address]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code in (200, 302), address
        answer.close()


def test_only_who_is_logged_in_gets_a_csrf_token(client: Browser, staff: Browser) -> None:
    stranger = client.get("/api/docs")

    assert "data-csrf-token" not in stranger.text
    assert "Set-Cookie" not in stranger.headers
    assert "data-csrf-token" in staff.get("/api/docs").text


def test_the_packages_other_files_are_not_served(client: Browser) -> None:
    for name in ("index.html", "oauth2-redirect.html", "..%2f__init__.py", "swagger-ui.js"):
        assert client.get(f"/api/docs/{name}").status_code == 404


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A gunicorn with the default settings."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser without a window."""
    with browsers.chromium() as browser:
        yield browser


@pytest.mark.browser
def test_the_page_works_in_a_browser(
    server: RunningServer, chromium: webdriver.Chrome, client: Browser
) -> None:
    paths = client.get("/api/openapi.json").json["paths"]
    patience = WebDriverWait(chromium, 20)

    chromium.get(f"{server.url}/api/docs")
    summary = "#operations-website-websiteHealthz .opblock-summary-control"
    patience.until(lambda page: page.find_elements(By.CSS_SELECTOR, summary))
    blocks = chromium.find_elements(By.CSS_SELECTOR, ".opblock")
    assert len(blocks) == sum(len(operations) for operations in paths.values())

    for button in (
        summary,
        ".try-out__btn",
        ".execute",
    ):  # it scrolls by itself, so that a real click may miss
        found = patience.until(lambda page, button=button: page.find_element(By.CSS_SELECTOR, button))
        chromium.execute_script("arguments[0].click()", found)
    answered = ".live-responses-table .response .response-col_status"
    patience.until(lambda page: "200" in page.find_element(By.CSS_SELECTOR, answered).text)

    loaded = chromium.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert [url for url in loaded if not url.startswith((server.url, "data:"))] == []
    assert chromium.get_log("browser") == []
