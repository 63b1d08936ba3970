"""Visitors watch chargers, and staff put one on the map: in Chromium, while a simulator charges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig
from tests import browsers
from tests.ocpp.staff import known, read, write
from tests.servers import RunningServer, flask, running_server

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a member of staff and two chargers, that asks nobody for tiles."""
    with running_server(tmp_path_factory.mktemp("server"), MAP_TILES_URL="none") as running:
        flask("users", "create", "boss", "--staff", "--password", PASSWORD, env=running.env)
        known(running, charger_id="LIVE1", latitude=25.68, longitude=-100.31)
        known(running, charger_id="QUIET", name="Old mill", latitude=25.6, longitude=-100.2)
        yield running


@pytest.fixture
def charger(server: RunningServer) -> Iterator[ChargePointSimulator]:
    """A car that charges quickly at LIVE1."""
    config = SimulatorConfig(
        ws_port=server.port, cp_path="LIVE1/", duration=900, interval=0.3, kwh_min=100, kwh_max=100
    )
    simulator = ChargePointSimulator(config)
    yield simulator
    simulator.stop()


class Page:
    """A page in a browser, and what it says."""

    def __init__(self, browser: webdriver.Chrome) -> None:
        self.browser = browser
        self.patience = WebDriverWait(browser, 15, poll_frequency=0.2)

    def find(self, selector: str):  # type: ignore[no-untyped-def]
        """The first element."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def field(self, name: str, charger_id: str = "LIVE1") -> str:
        """What a charger's field says."""
        return str(self.find(f'[data-charger="{charger_id}"] [data-field="{name}"]').text)

    def total(self, name: str) -> float:
        """A number of the whole site."""
        return float(self.find(f'[data-total="{name}"]').text.partition(" ")[0].replace(",", ""))

    def shown(self) -> list[str]:
        """The chargers that are to be seen."""
        items = self.browser.find_elements(By.CSS_SELECTOR, "[data-items] [data-charger]")
        return [item.get_attribute("data-charger") for item in items if item.is_displayed()]

    def log_in(self, url: str) -> None:
        """As a member of staff."""
        self.browser.get(f"{url}/login/")
        self.find("[name=username]").send_keys("boss")
        self.find("[name=password]").send_keys(PASSWORD)
        self.find("[name=password]").submit()
        self.patience.until(lambda page: "/login/" not in page.current_url)


@pytest.mark.parametrize("view", ["cards", "table"])
def test_a_visitor_sees_a_charger_begin_to_charge(
    server: RunningServer, charger: ChargePointSimulator, view: str
) -> None:
    with browsers.chromium() as browser:
        page = Page(browser)
        browser.get(f"{server.url}/ocpp/?view={view}")
        page.patience.until(lambda _: page.find("[data-live]").text == "live")
        assert page.field("state") == "Offline"

        charger.start()
        page.patience.until(lambda _: page.field("state") == "Charging")
        page.patience.until(lambda _: page.total("power") > 0 and page.total("charging") == 1)
        today, site_today = page.field("today"), page.total("today")
        page.patience.until(lambda _: page.field("today") != today)
        page.patience.until(lambda _: page.total("today") > site_today)
        assert page.field("power").endswith(" kW")
        assert page.field("state", "QUIET") == "Offline"

        charger.stop()
        page.patience.until(lambda _: page.field("state") == "Offline" and page.total("charging") == 0)
        assert browser.get_log("browser") == []


def test_filters_stay_in_the_address_and_go_on_choosing(
    server: RunningServer, charger: ChargePointSimulator
) -> None:
    with browsers.chromium(browsers.PHONE, "dark") as browser:
        page = Page(browser)
        browser.get(f"{server.url}/ocpp/?view=table")
        page.find("[data-filter]").send_keys("mill")
        page.patience.until(lambda _: page.shown() == ["QUIET"])
        assert browser.current_url.endswith("/ocpp/?view=table&q=mill")
        browser.refresh()
        assert page.shown() == ["QUIET"]

        browser.get(f"{server.url}/ocpp/?view=table")
        Select(page.find("[name=connected]")).select_by_value("0")
        page.patience.until(lambda now: "connected=0" in now.current_url)
        assert "view=table" in browser.current_url
        assert page.shown() == ["LIVE1", "QUIET"]
        charger.start()
        page.patience.until(lambda _: page.shown() == ["QUIET"])  # it is connected now
        page.find('[data-view="cards"]').click()
        page.patience.until(lambda now: "view=cards" in now.current_url)
        assert "connected=0" in browser.current_url
        assert not browsers.overflows(browser)


def test_the_map_takes_the_colour_of_a_state_and_leads_to_a_charger(
    server: RunningServer, charger: ChargePointSimulator
) -> None:
    with browsers.chromium(theme="dark") as browser:
        page = Page(browser)
        page.log_in(server.url)
        browser.get(f"{server.url}/ocpp/map/")
        page.patience.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, ".place-secondary")) == 2)
        charger.start()
        page.patience.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".place-primary"))
        ActionChains(browser).move_to_element(page.find(".place-primary")).click().perform()
        page.patience.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".leaflet-popup a[href*=LIVE1]"))
        assert page.find(".leaflet-popup-content").text == "LIVE1 Charging"
        assert browser.get_log("browser") == []


def test_staff_pick_a_place_by_click_and_by_dragging(server: RunningServer) -> None:
    charger_id = known(server)
    (row,) = read(server, "SELECT id FROM charger WHERE charger_id = ?", charger_id)
    with browsers.chromium() as browser:
        page = Page(browser)
        page.log_in(server.url)
        browser.get(f"{server.url}/admin/charger/edit/?id={row['id']}")

        def fields() -> tuple[str, str]:
            return tuple(page.find(f"#{name}").get_attribute("value") for name in ("latitude", "longitude"))  # type: ignore[return-value]

        assert fields() == ("", "")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", page.find(".map-picker"))
        ActionChains(browser).move_to_element_with_offset(page.find(".map-picker"), 60, 40).click().perform()
        page.patience.until(lambda _: "" not in fields())
        clicked = fields()
        assert abs(float(clicked[0]) - 25.6866) < 0.5
        assert abs(float(clicked[1]) + 100.3161) < 0.5

        ActionChains(browser).drag_and_drop_by_offset(page.find(".leaflet-marker-icon"), -90, 30).perform()
        page.patience.until(lambda _: fields() != clicked)
        dragged = fields()
        assert float(dragged[1]) < float(clicked[1])
        assert float(dragged[0]) < float(clicked[0])

        page.find("form.admin-form").submit()
        page.patience.until(lambda now: "/edit/" not in now.current_url)
    (stored,) = read(server, "SELECT latitude, longitude FROM charger WHERE id = ?", row["id"])
    assert (stored["latitude"], stored["longitude"]) == tuple(map(float, dragged))
    write(server, "UPDATE charger SET latitude = NULL WHERE id = ?", row["id"])


def test_staff_follow_a_charger_and_stop_what_charges(
    server: RunningServer, charger: ChargePointSimulator
) -> None:
    with browsers.chromium(browsers.PHONE) as browser:
        page = Page(browser)
        page.log_in(server.url)
        browser.get(f"{server.url}/ocpp/chargers/LIVE1/page/")
        charger.start()

        def part(name: str) -> str:
            return str(page.find(f'[data-part="{name}"]').text)

        page.patience.until(lambda _: "Charging" in part("state"))
        before = part("connectors")
        page.patience.until(lambda _: "kW" in part("connectors") and part("connectors") != before)
        page.patience.until(lambda _: "MeterValues" in part("messages"))
        assert not browsers.overflows(browser)

        stop = page.find('[data-connector="1"] a[href*="RemoteStopTransaction"]')
        browser.get(stop.get_attribute("href"))
        assert page.find("[name=transactionId]").get_attribute("value") != ""
        page.find(".command-form .btn-danger").click()  # the browser asks for the tick first
        assert browser.find_elements(By.CSS_SELECTOR, "[data-answer]") == []
        page.find("#confirmed").click()
        page.find(".command-form .btn-danger").click()
        page.patience.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "[data-answer]"))
        assert "The charger has answered: Accepted" in page.find("[data-answer]").text
        assert browser.get_log("browser") == []
