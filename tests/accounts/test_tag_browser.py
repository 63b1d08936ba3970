"""A file of tags in a browser, with a real worker: the page follows by itself what becomes of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.accounts.services.tag_imports import MOST_BYTES
from tests import browsers
from tests.accounts.desk import PASSWORD, SCREEN, Desk, csv_of
from tests.ocpp.staff import read
from tests.servers import running_server
from tests.workers import running_worker

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser without a window."""
    with browsers.chromium() as browser:
        yield browser


def test_the_page_follows_the_worker(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    patience = WebDriverWait(chromium, 30)

    def press(selector: str) -> None:
        patience.until(lambda page: page.find_element(By.CSS_SELECTOR, selector)).click()

    def choose(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        field = chromium.find_element(By.NAME, "file")
        field.send_keys(str(tmp_path / name))
        return str(chromium.execute_script("return arguments[0].validationMessage", field))

    with running_server(tmp_path) as server, running_worker(server.env, tmp_path):
        desk = Desk(server)
        chromium.get(f"{server.url}/login/?next={SCREEN}/new/")
        chromium.find_element(By.NAME, "username").send_keys(desk.name)
        chromium.find_element(By.NAME, "password").send_keys(PASSWORD)
        press("form[method=post] button.w-100")

        patience.until(lambda page: page.find_elements(By.NAME, "file"))
        assert "4 MB at most" in choose("large.csv", b"x" * (MOST_BYTES + 1))
        assert choose("tags.csv", csv_of([("0A0B0C0D", desk.name, True)])) == ""
        press("form.admin-form button")
        press(f"form[action='{SCREEN}/confirm/'] button")
        patience.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".badge-success"))

        assert read(server, "SELECT rfid FROM rfid") == [{"rfid": "0A0B0C0D"}]
        assert chromium.get_log("browser") == []
