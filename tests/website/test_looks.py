"""Every main page in Chromium: for whoever cannot see, on phones, by night, in both languages, off the net."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import axe_core_python
import pytest
from selenium import webdriver

from scripts.pictures.demo import demo_site
from scripts.pictures.pages import PAGES, Page
from scripts.pictures.studio import LANGUAGES, Look, Studio, studio

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.xdist_group("looks")]

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
# What a page may weigh, without maps.
MOST_BYTES = 150 * 1024


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A browser at a site on which something is going on."""
    with demo_site(tmp_path_factory.mktemp("site")) as site, studio(site.url) as found:
        yield found


def serious(browser: webdriver.Chrome) -> list[str]:
    """What axe finds on the page that counts: rule, and where."""
    browser.execute_script(AXE)
    found = browser.execute_async_script(
        """const done = arguments[0];
           axe.run(document, {resultTypes: ["violations"]}).then(done, (error) => done({error: String(error)}));"""
    )
    assert "error" not in found, found
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:3]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_axe_finds_nothing_serious_on_any_page(eyes: Studio, page: Page) -> None:
    findings = []
    for look in (Look(theme=theme, language=code) for theme in ("light", "dark") for code in LANGUAGES):
        eyes.show(page, look)
        findings += [f"{look}: {finding}" for finding in serious(eyes.browser)]

    assert findings == []
