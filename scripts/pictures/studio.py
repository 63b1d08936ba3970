"""Chromium, looking at a site as this or that visitor does: on a desk or a phone, by day or by night."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from scripts.pictures.demo import PASSWORD
from scripts.pictures.pages import Page
from tests import browsers

SIZES = {"desktop": (1280, 860), "phone": browsers.PHONE}
THEMES = ("light", "dark")
LANGUAGES = ("en", "es")


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    size: str = "desktop"
    theme: str = "light"
    language: str = "en"

    def __str__(self) -> str:
        return f"{self.size}-{self.theme}-{self.language}"


LOOKS = tuple(Look(*parts) for parts in product(SIZES, THEMES, LANGUAGES))


class Studio:
    """One browser. A visitor logs in once; the browser then changes its cookies as an actor his coat."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser, self._url = browser, url
        self._cookies: dict[str, list[dict[str, Any]]] = {"": []}
        self._who = ""

    def show(self, page: Page, look: Look, *, scripts: bool = True) -> None:
        """Open a page; return when it stands still. Without ``scripts``, what they make is not waited for."""
        self._be(page.who)
        self.set(look)
        sign = "&" if "?" in page.path else "?"
        self.browser.get(f"{self._url}{page.path}{sign}lang={look.language}")
        WebDriverWait(self.browser, 15).until(
            lambda browser: browser.execute_script("return document.readyState === 'complete'")
        )
        if scripts:
            WebDriverWait(self.browser, 15).until(
                lambda browser: browser.find_elements(By.CSS_SELECTOR, page.ready)
            )

    def _be(self, who: str) -> None:
        if who not in self._cookies:
            self._log_in(who)
        if who != self._who:
            self.browser.delete_all_cookies()
            for cookie in self._cookies[who]:
                self.browser.add_cookie(cookie)
            self._who = who

    def _log_in(self, who: str) -> None:
        self.browser.delete_all_cookies()
        self.browser.get(f"{self._url}/login/?next=/accounts/")
        self.browser.find_element(By.NAME, "username").send_keys(who)
        password = self.browser.find_element(By.NAME, "password")
        password.send_keys(PASSWORD)
        password.submit()
        WebDriverWait(self.browser, 15).until(lambda browser: "/login/" not in browser.current_url)
        self._cookies[who] = self.browser.get_cookies()
        self._who = who

    def set(self, look: Look) -> None:
        """Look otherwise at what is shown; the language changes with the next page."""
        width, height = SIZES[look.size]
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": look.size == "phone"},
        )
        features = [
            {"name": "prefers-color-scheme", "value": look.theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},  # colours do not fade in
        ]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@contextmanager
def studio(url: str) -> Iterator[Studio]:
    """A browser at a site."""
    with browsers.chromium() as browser:
        yield Studio(browser, url)
