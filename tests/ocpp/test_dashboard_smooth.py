"""A thousand chargers on the dashboard: it paints once a frame, and ends with what was told last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from scripts.benchmark.load import Load
from tests import browsers
from tests.ocpp.staff import known, read, write
from tests.servers import RunningServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MANY, BUSY = 1000, 100
# Tells the page of chargers in its stream as the server would; all of them draw so many kW.
TELL = """
window.EventSource = class extends EventSource {
  constructor(...given) { super(...given); window.stream = this; }
};
window.powers = () => Object.fromEntries([...document.querySelectorAll("[data-items] [data-charger]")].map(
  (card) => [card.dataset.charger, card.querySelector('[data-field="total"]').textContent]));
window.tell = (ids, kw) => stream.dispatchEvent(new MessageEvent("chargers", {data: JSON.stringify(ids.map(
  (charger_id) => ({
    charger_id, name: "", state: "charging", connected: true, last_seen: null, power_w: kw * 1000,
    energy_kwh: kw, energy_today_kwh: kw, connectors: [],
  })))}));
"""
# How often cards change between two frames, at most: what one pass changes is told at once.
COUNT_PASSES = """
window.most = 0;
let [frame, passes] = [];
new MutationObserver(() => {
  const now = document.timeline.currentTime;
  [frame, passes] = [now, now === frame ? passes + 1 : 1];
  window.most = Math.max(window.most, passes);
}).observe(document.querySelector("[data-items]"), {
  subtree: true, childList: true, characterData: true, attributes: true,
});
"""
# 60 events of 100 chargers each, three of them at a time; what each charger was told to draw last.
HURRY = """
const done = arguments[0];
const ids = Object.keys(powers());
const newest = {};
(async () => {
  for (let round = 0; round < 60; round += 1) {
    const some = ids.filter((_, index) => (index + round) % 10 === 0);
    for (const id of some) newest[id] = `${round} kW`;
    tell(some, round);
    await (round % 3 ? null : new Promise((next) => setTimeout(next)));
  }
  done(newest);
})();
"""
WHEN_HIDDEN = """
document.addEventListener("visibilitychange", () => {
  tell(Object.keys(powers()), 7);
  setInterval(() => {
    const right = Object.values(powers()).every((said) => said === "7 kW");
    if (document.hidden && right) document.title = "unseen";
  }, 100);
});
"""
# What each card says here, and what it would say if the page were loaded now; but when it was last seen.
HERE_AND_THERE = """
const done = arguments[0];
const cards = (page) => [...page.querySelectorAll("[data-items] [data-charger]")];
const said = (page) => Object.fromEntries(cards(page).map((card) => [
  card.dataset.charger,
  [...card.querySelectorAll('[data-field]:not([data-field="seen"])')].map(
    (field) => `${field.textContent.replace(/\\s+/g, " ").trim()} ${[...field.classList].sort()}`),
]));
fetch(location.href).then((answer) => answer.text()).then((text) =>
  done([said(document), said(new DOMParser().parseFromString(text, "text/html"))]));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that knows a thousand chargers."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        first = known(running, charger_id="MANY-00000")
        (row,) = read(running, "SELECT * FROM charger WHERE charger_id = ?", first)
        columns = ", ".join(row.keys() - {"id", "charger_id"})
        write(
            running,
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
                INSERT INTO charger (charger_id, {columns})
                SELECT printf('MANY-%05d', i), {columns} FROM charger, n WHERE id = ?""",
            MANY - 1,
            row["id"],
        )
        yield running


@pytest.fixture
def browser(server: RunningServer) -> Iterator[webdriver.Chrome]:
    """A browser at the dashboard, which follows."""
    with browsers.chromium() as found:
        found.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": TELL})
        found.get(f"{server.url}/ocpp/?per_page={MANY}")
        live = "return document.querySelector('[data-live]').dataset.live === 'on'"
        patience(found).until(lambda page: page.execute_script(live))
        yield found


def patience(browser: webdriver.Chrome) -> WebDriverWait[webdriver.Chrome]:
    return WebDriverWait(browser, 20, poll_frequency=0.2)


def test_it_paints_once_a_frame_and_ends_with_the_newest(browser: webdriver.Chrome) -> None:
    browser.execute_script(COUNT_PASSES)
    newest = browser.execute_async_script(HURRY)
    assert len(newest) == MANY
    patience(browser).until(lambda page: page.execute_script("return powers()") == newest)
    assert browser.execute_script("return window.most") == 1
    assert browser.get_log("browser") == []


def test_it_goes_on_where_nobody_looks(browser: webdriver.Chrome) -> None:
    browser.execute_script(WHEN_HIDDEN)
    browser.switch_to.new_window("tab")

    def titles(page: webdriver.Chrome) -> list[str]:
        return [target["title"] for target in page.execute_cdp_cmd("Target.getTargets", {})["targetInfos"]]

    patience(browser).until(lambda page: "unseen" in titles(page))


def test_after_a_rush_it_says_what_a_page_loaded_now_would_say(
    server: RunningServer, browser: webdriver.Chrome
) -> None:
    def told() -> list[dict[str, Any]]:
        return list(browser.execute_async_script(HERE_AND_THERE))

    with Load(server.port, BUSY, path="/MANY-") as load:
        assert load.connect().served == BUSY
        load.run(seconds=2)
        load.drain()
        assert not load.ledger.errors

        patience(browser).until(lambda _: len({str(said) for said in told()}) == 1)
        here, _ = told()
        assert sum("Offline" not in str(said) for said in here.values()) == BUSY
