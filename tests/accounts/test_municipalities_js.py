"""In a browser, the list of municipalities follows the state: on the person's page and on the staff's."""

from __future__ import annotations

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.servers import RunningServer, flask
from tests.website.test_docs import chromium, server  # noqa: F401 - fixtures

PASSWORD = "correct-horse-battery"
GROUPS = "return [...document.querySelectorAll('#municipality optgroup')].map(group => group.label)"


@pytest.mark.slow
@pytest.mark.browser
def test_the_list_follows_the_state(server: RunningServer, chromium: webdriver.Chrome) -> None:  # noqa: F811
    flask("users", "create", "boss", "--staff", "--password", PASSWORD, env=server.env)
    chromium.get(f"{server.url}/login/")
    chromium.find_element(By.NAME, "username").send_keys("boss")
    chromium.find_element(By.NAME, "password").send_keys(PASSWORD)
    chromium.find_element(By.CSS_SELECTOR, "main form button").click()
    WebDriverWait(chromium, 20).until(lambda page: page.current_url.endswith("/admin/"))

    for path in ("/accounts/", "/admin/users/edit/?id=1"):
        chromium.get(server.url + path)
        state = Select(chromium.find_element(By.NAME, "state"))
        municipality = Select(chromium.find_element(By.NAME, "municipality"))
        assert chromium.execute_script(GROUPS) == ["Coahuila", "Nuevo León"]
        state.select_by_value("NL")
        assert chromium.execute_script(GROUPS) == ["Nuevo León"]
        municipality.select_by_value("Allende")
        state.select_by_value("CO")
        assert chromium.execute_script(GROUPS) == ["Coahuila"]
        assert municipality.first_selected_option.get_attribute("value") == "Allende"  # both have one
        municipality.select_by_value("Saltillo")
        state.select_by_value("NL")
        assert municipality.first_selected_option.get_attribute("value") == ""
        assert [said for said in chromium.get_log("browser") if said["level"] == "SEVERE"] == []
