"""What comes of checks appears on the page by itself, in a real browser and with a real worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.blueprints.accounts.services import create_user
from tests import browsers
from tests.factories import InstanceFactory
from tests.odoo.servers import odoo_server
from tests.servers import running_server
from tests.workers import running_worker


@pytest.fixture
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser without a window."""
    with browsers.chromium() as browser:
        yield browser


def badges(page: webdriver.Chrome) -> list[str]:
    return [badge.text for badge in page.find_elements(By.CSS_SELECTOR, "[data-odoo-part=state]")]


@pytest.mark.slow
@pytest.mark.browser
def test_results_of_many_checks_appear_without_loading_the_page_again(work, database, chromium, tmp_path):
    create_user(work, "boss", "correct horse", is_staff=True)
    env = {"DATABASE_URL": database, "SECRET_KEY": "tests"}
    patience = WebDriverWait(chromium, 20)
    with odoo_server() as odoo, running_server(tmp_path, **env) as server:
        InstanceFactory(name="a", url=odoo.url)
        InstanceFactory(name="b", url=odoo.url, password="other")
        work.commit()
        chromium.get(f"{server.url}/login/?next=/admin/odoo/")
        chromium.find_element(By.NAME, "username").send_keys("boss")
        chromium.find_element(By.NAME, "password").send_keys("correct horse")
        chromium.find_element(By.CSS_SELECTOR, "main form [type=submit]").click()
        patience.until(lambda page: badges(page) == ["Never checked"] * 2)

        chromium.find_element(By.CSS_SELECTOR, ".action-rowtoggle").click()
        chromium.execute_script("modelActions.execute('test')")
        patience.until(lambda page: badges(page) == ["Waiting for the worker"] * 2)
        chromium.execute_script("window.sameDocument = true")
        with running_worker(server.env, tmp_path):
            patience.until(lambda page: badges(page) == ["OK", "Failed"])

        assert chromium.execute_script("return window.sameDocument")
        assert "Odoo does not accept this user name and password." in chromium.page_source
        assert "17.0-20240101" in chromium.page_source
