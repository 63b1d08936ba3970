"""A visitor in Chromium: chooses a theme and a language, logs in, and finds both again everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests import browsers
from tests.servers import flask, running_server

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PASSWORD = "correct horse battery"


def theme(browser: webdriver.Chrome) -> str | None:
    return browser.find_element(By.TAG_NAME, "html").get_attribute("data-bs-theme")


def language(browser: webdriver.Chrome) -> str | None:
    return browser.find_element(By.TAG_NAME, "html").get_attribute("lang")


def test_theme_language_and_login_are_chosen_once(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, browsers.chromium(theme="dark") as browser:
        flask("users", "create", "boss", "--staff", "--password", PASSWORD, env=server.env)
        patience = WebDriverWait(browser, 15, poll_frequency=0.1)
        browser.get(f"{server.url}/")
        assert (theme(browser), language(browser)) == ("dark", "en")  # the system's, and the browser's

        browser.find_element(By.CSS_SELECTOR, "[data-theme-toggle]").click()
        assert theme(browser) == "light"
        browser.get(f"{server.url}/awg/")
        assert theme(browser) == "light"

        browser.find_element(By.LINK_TEXT, "Español").click()
        patience.until(lambda page: language(page) == "es-MX")
        assert browser.current_url == f"{server.url}/awg/"

        browser.find_element(By.LINK_TEXT, "Iniciar sesión").click()
        patience.until(lambda page: "/login/" in page.current_url)
        browser.find_element(By.NAME, "username").send_keys("boss")
        password = browser.find_element(By.NAME, "password")
        password.send_keys(PASSWORD)
        password.submit()
        patience.until(lambda page: page.current_url == f"{server.url}/admin/")  # where staff land
        assert (theme(browser), language(browser)) == ("light", "es-MX")
        browser.find_element(By.CSS_SELECTOR, "[data-theme-toggle]").click()

        browser.get(f"{server.url}/")
        assert (theme(browser), language(browser)) == ("dark", "es-MX")
        browser.find_element(By.XPATH, "//button[normalize-space()='Cerrar sesión']").click()
        patience.until(lambda page: page.find_elements(By.LINK_TEXT, "Iniciar sesión"))
        browser.get(f"{server.url}/admin/")
        assert "/login/" in browser.current_url
        # A session that ended leaves nothing in the console but what the browser says of that.
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
