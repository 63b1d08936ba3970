"""Chromium for tests, as visitors use it: on a desk or a phone, by day or by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

from tests import databases

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK, PHONE = (1200, 900), (390, 844)


@contextmanager
def chromium(size: tuple[int, int] = DESK, theme: str = "light") -> Iterator[webdriver.Chrome]:
    """A browser without a window, that remembers what its console says. ``theme``: the system's."""
    driver = shutil.which("chromedriver")
    if driver is None:
        databases.unavailable("no Chromium")
    options = webdriver.ChromeOptions()
    for argument in QUIET:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        browser = webdriver.Chrome(options=options, service=Service(driver))
    except WebDriverException as error:
        databases.unavailable(f"no Chromium: {error}")
    width, height = size
    is_phone = size == PHONE
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone},
    )
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield browser
    finally:
        browser.quit()


def overflows(browser: webdriver.Chrome) -> bool:
    """Whether the page can be scrolled sideways."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth > innerWidth"))
