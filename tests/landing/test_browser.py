"""A driver scans a charger's label: in Chromium on a phone, at a simulator that charges when told to."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig
from tests import browsers
from tests.landing.phone import PASSWORD, give_password
from tests.ocpp.drivers import add_driver, add_tag
from tests.ocpp.staff import eventually, known, read, write
from tests.servers import RunningServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGE = "/ocpp/c/YARD1/"


class Maria(NamedTuple):
    """A driver."""

    username: str
    tag: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of this module's own."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running
        running.kill()  # nothing of it is needed any more


@pytest.fixture(scope="module")
def maria(server: RunningServer) -> Maria:
    """A driver with 500 kWh and a card, who has a password."""
    account = add_driver(server, credit_wh=500_000)
    return Maria(give_password(server, account), add_tag(server, account))


@pytest.fixture
def charger(server: RunningServer) -> Iterator[ChargePointSimulator]:
    """A charger that charges quickly, when it is told to."""
    config = SimulatorConfig(
        ws_port=server.port, cp_path="YARD1/", duration=900, interval=0.3, kwh_min=100, kwh_max=100,
        autostart=False,
    )  # fmt: skip
    simulator = ChargePointSimulator(config)
    simulator.start()
    free = {"connected": True, "state": "available"}
    eventually(lambda: free.items() <= status(server).items(), 15)
    yield simulator
    simulator.stop()


def status(server: RunningServer) -> dict[str, Any]:
    """What anyone is told of the charger."""
    try:
        with urllib.request.urlopen(f"{server.url}{PAGE}status/", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError:  # it has never connected
        return {}
    return told


class Page:
    """The landing page in a browser."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser
        self.patience = WebDriverWait(browser, 20, poll_frequency=0.1)

    def text(self, selector: str) -> str:
        """What the page says there; empty while it says nothing, or is being exchanged."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.browser.execute_script(script, selector))

    def press(self, label: str) -> None:
        """A button or a link, by what it says."""
        self.browser.find_element(
            By.XPATH, f"//main//*[self::a or self::button][normalize-space()='{label}']"
        ).click()

    def until(self, selector: str, text: str) -> None:
        """Wait until the page says this there, by itself."""
        self.patience.until(lambda _: text in self.text(selector))

    def log_in(self, maria: Maria) -> None:
        """From the page, and back to it."""
        self.press("Log in to start")
        self.enter(maria)
        self.patience.until(lambda _: self.browser.current_url.endswith(PAGE))

    def enter(self, maria: Maria) -> None:
        """Fill in the form that asks who it is."""
        self.browser.find_element(By.NAME, "username").send_keys(maria.username)
        password = self.browser.find_element(By.NAME, "password")
        password.send_keys(PASSWORD)
        password.submit()


def number(text: str) -> float:
    """``4.32 kWh`` → 4.32; 0 while nothing is said."""
    return float(text.partition(" ")[0].replace("–", "0") or 0)


def test_a_driver_logs_in_starts_sees_power_and_energy_and_stops(
    server: RunningServer, charger: ChargePointSimulator, maria: Maria
) -> None:
    with browsers.chromium(browsers.PHONE) as browser:
        page = Page(browser)
        browser.get(server.url + PAGE)
        page.until("[data-live]", "live")
        assert "Available" in page.text("[data-field=state]")
        assert not browsers.overflows(browser)
        page.log_in(maria)
        assert "500 kWh" in page.text("[data-part=yours]")

        page.press("Start charging")
        page.until(".alert-success", "The charger has accepted.")
        page.until("[data-session]", "You are charging")
        page.until("[data-field=state]", "Charging")
        energy = number(page.text("[data-session] [data-field=energy]"))
        page.patience.until(lambda _: number(page.text("[data-session] [data-field=energy]")) > energy)
        page.patience.until(lambda _: number(page.text("[data-session] [data-field=power]")) > 0)
        page.patience.until(lambda _: number(page.text("[data-field=balance]")) < 500)
        assert not browsers.overflows(browser)

        page.press("Stop charging")
        page.until(".alert-success", "The charger is stopping.")
        page.patience.until(lambda _: page.text("[data-session]") == "")
        (session,) = read(server, "SELECT * FROM charge_transaction")
        assert session["stop_reason"] == "Remote"
        assert session["id_tag"] == maria.tag
        page.patience.until(lambda _: "Charging" not in page.text("[data-field=state]"))
        assert browser.get_log("browser") == []


def test_a_charger_that_goes_away_is_told_without_a_reload(
    server: RunningServer, charger: ChargePointSimulator
) -> None:
    with browsers.chromium(browsers.PHONE, "dark") as browser:
        page = Page(browser)
        browser.get(server.url + PAGE)
        page.until("[data-live]", "live")
        charger.stop()
        page.until("[data-field=state]", "Offline")


def test_without_scripts_a_driver_starts_and_stops(
    server: RunningServer, charger: ChargePointSimulator, maria: Maria
) -> None:
    with browsers.chromium(browsers.PHONE) as browser:
        page = Page(browser)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get(server.url + PAGE)

        def says(text: str) -> bool:
            browser.get(server.url + PAGE)
            return text in browser.find_element(By.TAG_NAME, "main").text

        page.log_in(maria)
        page.press("Start charging")
        page.patience.until(lambda _: says("You are charging"))
        assert "The charger has accepted." not in browser.find_element(By.TAG_NAME, "main").text
        page.press("Stop charging")
        page.patience.until(lambda _: not says("You are charging"))


def test_labels_are_printed_whole_and_fill_their_sheets(server: RunningServer, maria: Maria) -> None:
    write(server, "UPDATE user SET is_staff = 1 WHERE username = ?", maria.username)
    for number in range(9):
        known(server, name=f"Bay {number}")
    with browsers.chromium() as browser:
        browser.get(f"{server.url}/login/?next=/ocpp/labels/")
        Page(browser).enter(maria)
        Page(browser).patience.until(lambda _: browser.current_url.endswith("/ocpp/labels/"))
        for size, sheets in (("small", 1), ("medium", 2), ("large", 5)):
            browser.get(f"{server.url}/ocpp/labels/?q=Bay&size={size}")
            pictures = "return [...document.querySelectorAll('.qr')].filter((one) => one.naturalWidth).length"
            assert browser.execute_script(pictures) == 9
            a4 = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
            printed = browser.execute_cdp_cmd("Page.printToPDF", a4)["data"]
            assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed))) == sheets, size
