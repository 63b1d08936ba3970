"""The preview of a template follows the typing, in a real browser."""

from __future__ import annotations

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.servers import RunningServer, flask
from tests.website.test_docs import chromium, server  # noqa: F401 - fixtures


@pytest.mark.slow
@pytest.mark.browser
def test_the_preview_follows_the_typing(server: RunningServer, chromium: webdriver.Chrome) -> None:  # noqa: F811
    flask("users", "create", "boss", "--staff", "--password", "battery staple", env=server.env)
    patience = WebDriverWait(chromium, 20)

    def preview() -> str:
        return chromium.find_element(By.ID, "mail-preview").text

    chromium.get(f"{server.url}/login/?next=/admin/mail-templates/new/")
    chromium.find_element(By.NAME, "username").send_keys("boss")
    chromium.find_element(By.NAME, "password").send_keys("battery staple\n")
    patience.until(lambda page: page.find_elements(By.ID, "mail-preview"))
    assert not chromium.find_element(By.ID, "mail-preview-button").is_displayed()
    chromium.find_element(By.NAME, "subject").send_keys("Hello {name}")
    chromium.find_element(By.NAME, "body").send_keys("Good day, {name}.")
    chromium.find_element(By.NAME, "html").send_keys("<h1>Hi</h1><script>document.title = 'ran'</script>")
    patience.until(lambda _page: "Good day, ‹name›." in preview())
    chromium.find_element(By.NAME, "sample").send_keys("name = <b>Ann</b>")
    patience.until(lambda _page: "Hello <b>Ann</b>" in preview())
    chromium.find_element(By.NAME, "body").send_keys(" {oops")
    patience.until(lambda _page: "is no placeholder" in preview())

    assert chromium.title != "ran"
    errors = [entry["message"] for entry in chromium.get_log("browser") if "sandbox" not in entry["message"]]
    assert errors == []
