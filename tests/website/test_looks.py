"""Every main page in Chromium: for ears, for phones, by night, in both languages, without network."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import axe_core_python
import pytest
from selenium import webdriver

from scripts.pictures.demo import demo_site
from scripts.pictures.pages import PAGES, PUBLIC, Page
from scripts.pictures.studio import Look, Studio, studio
from tests import browsers

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.xdist_group("looks")]

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
# Of what repeats itself, the first ones are looked at.
RUN = """
const done = arguments[1];
const exclude = [[".readme > :nth-child(n+60)"], [".contents li:nth-child(n+9)"], ["tr:nth-child(n+6)"],
                 [".opblock-tag-section:nth-child(n+3)"], [".message:nth-child(n+4)"], ["option"]];
axe.run({exclude}, {resultTypes: ["violations"], elementRef: false, ...arguments[0]})
  .then(done, (error) => done({error: String(error)}));
"""
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# What a page may weigh, compressed, without maps. Swagger UI is another's, for people who write programs.
MOST_BYTES = 150 * 1024
HEAVY = {"api": 560 * 1024}
# What belongs to the page, not to its live part; and what only maps bring.
FILES = ("link", "script", "img", "css")
MAP = "/leaflet"


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A browser at a site on which something is going on."""
    with demo_site(tmp_path_factory.mktemp("site"), MAP_TILES_URL="none") as site, studio(site.url) as found:
        yield found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_for_everybody_everywhere(eyes: Studio, page: Page) -> None:
    eyes.show(page, Look())
    found = serious(eyes.browser)
    found += heavy_or_foreign(eyes.browser, HEAVY.get(page.name, MOST_BYTES))
    eyes.set(Look(theme="dark"))
    found += serious(eyes.browser, CONTRAST)
    eyes.show(page, Look("phone", "dark", "es"))
    found += serious(eyes.browser)
    eyes.set(Look("phone", "light", "es"))
    found += serious(eyes.browser, CONTRAST)
    if browsers.overflows(eyes.browser):
        found.append("it can be scrolled sideways on a phone")

    assert found == []


def serious(browser: webdriver.Chrome, options: dict[str, object] | None = None) -> list[str]:
    """What axe finds on the page that counts: rule, where, and why."""
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE)
    found = browser.execute_async_script(RUN, options or {})
    assert "error" not in found, found
    theme = browser.execute_script("return document.documentElement.dataset.bsTheme")
    return [
        f"{theme} {rule['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:3]
    ]


def heavy_or_foreign(browser: webdriver.Chrome, most_bytes: int) -> list[str]:
    """What is wrong with what the page has loaded: whence it came, how much it is."""
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => [entry.name, entry.initiatorType])"
    )
    host = urlsplit(browser.current_url).netloc
    wrong = [f"it loads {url}" for url, _ in loaded if urlsplit(url).netloc not in ("", host)]
    files = {url for url, kind in loaded if kind in FILES and url.startswith("http") and MAP not in url}
    weight = len(gzip.compress(browser.page_source.encode())) + sum(
        len(gzip.compress(urlopen(url).read())) for url in files
    )
    return wrong + [f"it weighs {weight} bytes"] * (weight > most_bytes)


@pytest.mark.parametrize("page", PUBLIC, ids=lambda page: page.name)
def test_a_page_says_the_same_without_scripts(eyes: Studio, page: Page) -> None:
    eyes.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        eyes.show(page, Look("phone"), scripts=False)
        shown = eyes.browser.find_element("tag name", "main").text
        menu = eyes.browser.find_elements("css selector", "#menu a.nav-link")
    finally:
        eyes.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    assert len(shown) > 20
    assert all(link.is_displayed() for link in menu)
    assert len(menu) >= 4
