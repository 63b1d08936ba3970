"""A driver looks at their own page on a phone while their car charges: in Chromium, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig
from tests import browsers
from tests.ocpp.staff import write
from tests.servers import RunningServer, flask, running_server

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TAG, PASSWORD = "DEADBEEF", "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a driver, ``maria``, who has 500 kWh and a card."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        flask("users", "create", "maria", "--password", PASSWORD, env=running.env)
        flask("accounts", "credit", "maria", "500", env=running.env)
        write(
            running,
            """INSERT INTO rfid (rfid, user_id, allowed, added_on)
               SELECT ?, id, 1, '2026-01-01 00:00:00.000000' FROM user WHERE username = 'maria'""",
            TAG,
        )
        yield running


@pytest.fixture
def charger(server: RunningServer) -> Iterator[ChargePointSimulator]:
    """A charger at which maria's car charges quickly."""
    config = SimulatorConfig(
        ws_port=server.port, rfid=TAG, cp_path="YARD1/", duration=900, interval=0.3, kwh_min=100, kwh_max=100
    )
    simulator = ChargePointSimulator(config)
    simulator.start()
    yield simulator
    simulator.stop()


def number(text: str) -> float:
    """``4.32 kWh`` → 4.32."""
    return float(text.partition(" ")[0])


class Page:
    """The driver's page in a browser."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser
        self.patience = WebDriverWait(browser, 15, poll_frequency=0.2)

    def log_in(self, url: str) -> None:
        """As maria, who is then sent to her page."""
        self.browser.get(f"{url}/login/?next=/ocpp/my/")
        self.browser.find_element(By.NAME, "username").send_keys("maria")
        password = self.browser.find_element(By.NAME, "password")
        password.send_keys(PASSWORD)
        password.submit()
        self.patience.until(lambda page: page.current_url.endswith("/ocpp/my/"))

    def text(self, selector: str) -> str:
        """What the page says there; empty while it says nothing."""
        found = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return found[0].text if found else ""

    def field(self, name: str) -> str:
        """What a field says."""
        return self.text(f'[data-field="{name}"]')

    def curve(self) -> str:
        """The drawn path of power."""
        found = self.browser.find_elements(By.CSS_SELECTOR, "[data-curve] .plot-power[d]")
        return str(found[0].get_attribute("d")) if found else ""

    def style(self, selector: str, name: str) -> str:
        """A computed style."""
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return str(self.browser.execute_script(script, selector, name))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_driver_sees_the_balance_fall_and_the_curve_grow(
    server: RunningServer, charger: ChargePointSimulator, theme: str
) -> None:
    with browsers.chromium(browsers.PHONE, theme) as browser:
        page = Page(browser)
        page.log_in(server.url)
        page.patience.until(lambda _: page.text("[data-live]") == "live")
        page.patience.until(lambda _: page.field("status") == "Charging")

        balance, energy = number(page.field("balance")), number(page.field("energy"))
        page.patience.until(lambda _: number(page.field("balance")) < balance)
        page.patience.until(lambda _: number(page.field("energy")) > energy)
        assert page.field("power").endswith(" kW")
        curve = page.curve()
        page.patience.until(lambda _: page.curve() not in ("", curve))

        assert browser.find_element(By.CSS_SELECTOR, "html").get_attribute("data-bs-theme") == theme
        before = page.style(".plot-power[d]", "stroke")
        browser.find_element(By.CSS_SELECTOR, "[data-theme-toggle]").click()
        page.patience.until(lambda _: page.style(".plot-power[d]", "stroke") != before)
        assert not browsers.overflows(browser)

        charger.stop()
        page.patience.until(lambda _: "Nothing charges on your account." in page.text("[data-part=running]"))
        assert "YARD1" in page.text("[data-part=sessions]")
        assert browser.get_log("browser") == []


def test_without_scripts_the_page_says_the_same(
    server: RunningServer, charger: ChargePointSimulator, tmp_path: Path
) -> None:
    with browsers.chromium(browsers.PHONE) as browser:
        page = Page(browser)
        page.log_in(server.url)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})

        def charges(_: webdriver.Chrome) -> bool:
            browser.refresh()
            return page.field("status") == "Charging" and page.curve() != ""

        page.patience.until(charges)
        assert number(page.field("balance")) < 500
        assert page.text("[data-live]") == ""
        assert not browser.find_element(By.CSS_SELECTOR, "[data-live]").is_displayed()
