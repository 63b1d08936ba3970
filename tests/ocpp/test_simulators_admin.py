"""The staff screen of simulators: one or many, to run or not to run, and how they do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from sqlalchemy import select, update

from app import doorbell
from app.blueprints.accounts.models import AuditEntry
from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulators
from app.clock import utcnow
from app.db import UnitOfWork, unit_of_work
from tests import browsers
from tests.accounts.screens import messages
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerFactory, SimulatorFactory
from tests.servers import flask, running_server
from tests.workers import running_worker

KEY = "correct-horse-battery"
FORM = {
    "name": "S1", "cp_path": "yard/SIM1", "host": "127.0.0.1", "ws_port": "8123", "rfid": "",
    "connectors": "2", "duration_s": "60", "interval_s": "5", "pre_charge_delay_s": "1", "power_kw": "7.4",
    "autostart": "y",
}  # fmt: skip
MANY = FORM | {"name": "S", "cp_path": "yard/S", "count": "20", "first": "1", "start": "y"}


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nobody hears them; which were rung."""
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, *_: rung.append(task.name))
    return rung


def all_rows(work: UnitOfWork) -> list[Simulator]:
    work.expire_all()
    return list(work.scalars(select(Simulator).order_by(Simulator.id)))


def wanted(work: UnitOfWork) -> list[str]:
    return [row.name for row in all_rows(work) if row.is_wanted]


def trail(work: UnitOfWork) -> list[tuple[str, str]]:
    entries = work.scalars(
        select(AuditEntry).where(AuditEntry.subject == "simulator").order_by(AuditEntry.id)
    )
    return [(entry.action, entry.subject_id) for entry in entries]


def cell(live: dict[str, Any], name: str = "state") -> str:
    """A cell's text, as people read it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", live["cells"][name])).split())


def held(work: UnitOfWork, row: Simulator, **columns: Any) -> None:
    """As when a worker runs it."""
    until = {"leased_by": "w", "leased_until": utcnow() + timedelta(seconds=30)}
    work.execute(update(Simulator).where(Simulator.id == row.id).values(until | columns))


@both_databases
def test_a_simulator_is_made_changed_and_removed(staff: Browser, work: UnitOfWork) -> None:
    staff.submit("/admin/simulator/new/", FORM | {"username": "u", "password": KEY})
    (row,) = all_rows(work)
    assert (row.name, row.charger_id, row.ws_port, row.rfid, row.password) == (
        "S1",
        "SIM1",
        8123,
        "FFFFFFFF",
        KEY,
    )
    assert (row.connectors, row.duration_s, row.repeat, row.autostart) == (2, 60, False, True)
    assert (float(row.power_kw), row.kwh_min, row.wanted) == (7.4, None, "stopped")

    edit_url = f"/admin/simulator/edit/?id={row.id}"
    assert KEY not in staff.get(edit_url).text
    staff.submit(edit_url, FORM | {"name": "S2", "repeat": "y", "kwh_min": "3", "kwh_max": "4.5"})
    (row,) = all_rows(work)
    assert (row.name, row.repeat, row.password, float(row.kwh_max or 0)) == ("S2", True, KEY, 4.5)

    staff.submit(edit_url, FORM | {"clear_password": "y"})
    assert all_rows(work)[0].password == ""

    staff.submit("/admin/simulator/delete/", {"id": str(row.id)})
    assert all_rows(work) == []
    assert [action for action, _ in trail(work)] == ["create", "update", "update", "delete"]
    assert KEY not in json.dumps([entry.details for entry in work.scalars(select(AuditEntry))])


@pytest.mark.parametrize(
    ("overrides", "host", "port"),
    [({"HOST": "0.0.0.0", "PORT": 8077}, "127.0.0.1", "8077"), ({"HOST": "192.0.2.7"}, "192.0.2.7", "8000")],
)
def test_a_new_simulator_connects_to_this_server(staff: Browser, host: str, port: str) -> None:
    for path in ("/admin/simulator/new/", "/admin/simulator/many/"):
        page = staff.get(path).text
        assert f'name="host" type="text" value="{host}"' in page
        assert f'name="ws_port" type="number" value="{port}"' in page or f'value="{port}"' in page


WRONG = [
    ({"kwh_min": "9", "kwh_max": "3"}, "The most energy is less than the least."),
    ({"kwh_min": "9"}, "Give both the least and the most energy, or neither."),
    ({"kwh_max": "9"}, "Give both the least and the most energy, or neither."),
    ({"duration_s": "0"}, "Number must be between 1 and 604800."),
    ({"interval_s": "-1"}, "Number must be between 1 and 604800."),
    ({"pre_charge_delay_s": "-1"}, "Number must be between 0 and 604800."),
    ({"power_kw": "0"}, "Number must be between 0.1 and 1000."),
    ({"power_kw": "nan"}, "Number must be between 0.1 and 1000."),
    ({"kwh_min": "-1", "kwh_max": "1"}, "Number must be between 0 and 10000."),
    ({"connectors": "99"}, "Number must be between 1 and 20."),
    ({"ws_port": "70000"}, "Number must be between 1 and 65535."),
    ({"ws_port": "x"}, "Not a valid integer value."),
    ({"host": "not a host"}, "This must be a host&#39;s name or an IP address."),
    ({"host": "a..b"}, "This must be a host&#39;s name or an IP address."),
    ({"cp_path": "/"}, "1 to 100 characters"),
    ({"cp_path": "a/" + "x" * 101}, "1 to 100 characters"),
    ({"cp_path": "a\x01"}, "1 to 100 characters"),
    ({"username": "a:b"}, "A user name has no colon."),
    ({"rfid": "x" * 21}, "20 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_what_no_simulator_can_do_is_told_beside_its_field(
    staff: Browser, work: UnitOfWork, wrong: dict[str, str], said: str
) -> None:
    for path, form in (("/admin/simulator/new/", FORM), ("/admin/simulator/many/", MANY)):
        page = staff.submit(path, form | wrong).text
        assert said in page, path
        assert 'value="60"' in page or "duration_s" in wrong  # what was typed is still there
    assert all_rows(work) == []


@both_databases
def test_no_two_simulators_are_one_charger(staff: Browser, work: UnitOfWork) -> None:
    first = SimulatorFactory(name="First", cp_path="a/SIM1", ws_port=8123)
    other = SimulatorFactory(cp_path="a/OTHER", ws_port=8123)

    assert "First is this charger already." in staff.submit("/admin/simulator/new/", FORM).text
    edit_url = f"/admin/simulator/edit/?id={other.id}"
    assert "First is this charger already." in staff.submit(edit_url, FORM).text
    staff.submit(f"/admin/simulator/edit/?id={first.id}", FORM)  # it may be itself

    assert [row.cp_path for row in all_rows(work)] == ["yard/SIM1", other.cp_path]


@both_databases
def test_many_are_made_and_started(staff: Browser, work: UnitOfWork, bells: list[str]) -> None:
    answer = staff.submit("/admin/simulator/many/", MANY | {"password": KEY}, follow_redirects=True)

    rows = all_rows(work)
    assert "20 simulators made." in messages(answer)
    assert [row.cp_path for row in rows] == [f"yard/S{number:02}" for number in range(1, 21)]
    assert {(row.wanted, row.run, row.password, row.power_kw) for row in rows} == {
        ("running", 1, KEY, rows[0].power_kw)
    }
    assert bells == ["simulators.run"]
    assert len(trail(work)) == 40


def test_many_are_made_without_being_started(staff: Browser, work: UnitOfWork) -> None:
    form = {name: text for name, text in MANY.items() if name != "start"}
    staff.submit("/admin/simulator/many/", form)

    assert len(all_rows(work)) == 20
    assert wanted(work) == []


@pytest.mark.parametrize("count", ["0", "501", "", "x"])
def test_many_has_a_limit(staff: Browser, work: UnitOfWork, count: str) -> None:
    assert staff.submit("/admin/simulator/many/", MANY | {"count": count}).status_code == 200
    assert all_rows(work) == []


def test_many_that_exist_in_part_are_not_made_and_nothing_typed_is_lost(
    staff: Browser, work: UnitOfWork
) -> None:
    SimulatorFactory(name="S07")

    page = staff.submit("/admin/simulator/many/", MANY)

    assert "1 simulator has such a name, or is such a charger, already: S07" in page.text
    assert 'value="yard/S"' in page.text
    assert len(all_rows(work)) == 1


# To run or not to run


@both_databases
def test_the_buttons_of_a_row_start_stop_and_restart_it(
    staff: Browser, work: UnitOfWork, bells: list[str]
) -> None:
    row, _other = SimulatorFactory(), SimulatorFactory()
    back = "/admin/simulator/?search=Simulator&page=0"
    for do, is_wanted, run in (
        ("start", True, 1),
        ("restart", True, 2),
        ("stop", False, 2),
        ("stop", False, 2),
    ):
        answer = staff.submit("/admin/simulator/control/", {"do": do, "id": row.id, "url": back})
        assert answer.location == back
        now = all_rows(work)
        assert (now[0].is_wanted, now[0].run) == (is_wanted, run)
        assert not now[1].is_wanted

    assert bells == ["simulators.run"] * 2
    assert trail(work) == [(do, str(row.id)) for do in ("start", "restart", "stop")]


def test_a_button_leads_nowhere_else(staff: Browser, work: UnitOfWork) -> None:
    row = SimulatorFactory()

    form = {"do": "start", "id": row.id, "url": "https://evil.example/"}
    assert staff.submit("/admin/simulator/control/", form).location == "/admin/simulator/"
    for odd in ({"do": "explode"}, {"do": "start", "id": ["x", "-1", "9" * 30]}, {}):
        answer = staff.submit("/admin/simulator/control/", odd)
        assert answer.status_code in (302, 404)


@both_databases
def test_the_selected_ones_are_started_and_stopped(staff: Browser, work: UnitOfWork) -> None:
    rows = [SimulatorFactory(name=f"S{number}") for number in range(3)]
    ids = [str(row.id) for row in rows]

    answer = staff.submit(
        "/admin/simulator/action/", {"action": "start", "rowid": ids[:2]}, follow_redirects=True
    )
    assert "2 simulators start." in messages(answer)
    assert wanted(work) == ["S0", "S1"]

    staff.submit("/admin/simulator/action/", {"action": "restart", "rowid": ids[1:]})
    assert [row.run for row in all_rows(work)] == [1, 2, 1]
    staff.submit("/admin/simulator/action/", {"action": "stop", "rowid": ids})
    assert wanted(work) == []


@both_databases
def test_all_of_a_list_are_started_after_a_question(
    staff: Browser, work: UnitOfWork, bells: list[str]
) -> None:
    for number in range(120):
        SimulatorFactory(name=f"Yard {number}")
    SimulatorFactory(name="Street")
    page = staff.get("/admin/simulator/?search=Yard").text
    address = html.unescape(re.search(r'href="([^"]*/all/start/[^"]*)"', page)[1])

    assert "Start 120 simulators?" in staff.get(address).text
    assert wanted(work) == []
    answer = staff.submit(address)

    assert "search=Yard" in answer.location
    assert len(wanted(work)) == 120
    assert bells == ["simulators.run"]
    assert "Stop 11 simulators?" in staff.get("/admin/simulator/all/stop/?flt0_0=Yard+7").text  # 7, 70 to 79
    assert staff.get("/admin/simulator/all/explode/").status_code == 404


# How they do


@both_databases
def test_the_rows_of_a_page_are_told_as_they_are(staff: Browser, work: UnitOfWork) -> None:
    charging, gone, stopped = (SimulatorFactory() for _ in range(3))
    ChargerFactory(charger_id=charging.charger_id)
    simulators.start(work, [charging.id, gone.id])
    held(work, charging, state="charging", energy_wh=12_345, charges=2, since=utcnow())
    held(work, gone, state="charging", leased_until=utcnow() - timedelta(minutes=1))
    ids = [charging.id, gone.id, stopped.id]

    answer = staff.get("/admin/simulator/live/", query_string={"id": [*ids, "x", 999]})

    told = {one["id"]: one for one in answer.json}
    assert list(told) == ids
    assert cell(told[charging.id]) == "Charging just now"
    assert cell(told[charging.id], "energy") == "12.35 kWh 2 charges"
    assert f"/ocpp/log/{charging.charger_id}/" in told[charging.id]["cells"]["links"]
    assert cell(told[gone.id]).startswith("Waiting for the worker")  # another worker runs
    assert (cell(told[stopped.id]), told[stopped.id]["wanted"]) == ("Stopped", False)
    assert "no-store" in answer.headers["Cache-Control"]
    for path in ("/admin/simulator/", f"/admin/simulator/details/?id={charging.id}"):
        assert "12.35 kWh" in staff.get(path).text


@both_databases
def test_without_a_worker_it_says_so_and_what_helps(staff: Browser, work: UnitOfWork) -> None:
    row = SimulatorFactory()
    simulators.start(work, [row.id])
    held(work, row, state="charging", leased_until=utcnow() - timedelta(seconds=1))

    (told,) = staff.get(f"/admin/simulator/live/?id={row.id}").json

    assert cell(told).startswith("Stopped: the worker is not running")
    assert "scripts/run starts it" in cell(told)


def test_an_error_is_told_in_the_language_of_the_page_and_stays_text(
    staff: Browser, work: UnitOfWork
) -> None:
    row = SimulatorFactory()
    simulators.start(work, [row.id])
    facts = {"url": "ws://<b>x</b>/100%/"}
    held(work, row, state="offline", last_error="no such host in %(url)s", last_error_facts=facts)
    address = f"/admin/simulator/live/?id={row.id}"

    assert "no such host in ws://&lt;b&gt;x&lt;/b&gt;/100%/" in staff.get(address).json[0]["cells"]["state"]
    spanish = staff.get(address, headers={"Accept-Language": "es"}).json
    assert cell(spanish[0]) == "Reintentando ahora mismo no existe el host de ws://<b>x</b>/100%/"


def test_who_edits_what_runs_is_told_when_it_counts(staff: Browser, work: UnitOfWork) -> None:
    row = SimulatorFactory()
    simulators.start(work, [row.id])

    answer = staff.submit(f"/admin/simulator/edit/?id={row.id}", FORM, follow_redirects=True)

    assert "It runs with its old settings until it is restarted." in messages(answer)


def test_only_staff_see_and_steer_them(app: Flask, client: Browser) -> None:
    with app.app_context(), unit_of_work() as work:
        _, token = create_token(work, create_user(work, "boss", is_staff=True), "tests")
    by_token = {"Authorization": f"Bearer {token}"}
    for path in ("/admin/simulator/live/?id=1", "/admin/simulator/many/", "/admin/simulator/all/stop/"):
        assert client.get(path).status_code == 302
        assert client.get(path, headers=by_token).status_code == 403
    assert client.submit("/admin/simulator/control/", {"do": "start"}).status_code == 302
    with app.app_context(), unit_of_work() as work:
        driver = app.test_client().log_in(create_user(work, "driver"))  # type: ignore[attr-defined]
    assert driver.get("/admin/simulator/live/?id=1").status_code == 403
    assert driver.submit("/admin/simulator/all/start/").status_code == 403


def test_steering_needs_our_own_page(staff: Browser) -> None:
    for path in ("/admin/simulator/control/", "/admin/simulator/all/stop/", "/admin/simulator/many/"):
        assert staff.post(path, data={"do": "start"}).status_code == 400, path


@pytest.fixture
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser without a window."""
    with browsers.chromium() as browser:
        yield browser


@pytest.mark.slow
@pytest.mark.browser
def test_the_list_follows_without_being_loaded_again(tmp_path: Path, chromium: webdriver.Chrome) -> None:
    with running_server(tmp_path) as server:
        flask("users", "create", "boss", "--staff", "--password", KEY, env=server.env)
        chromium.get(f"{server.url}/login/?next=/admin/simulator/many/")
        chromium.find_element(By.NAME, "username").send_keys("boss")
        chromium.find_element(By.NAME, "password").send_keys(KEY, Keys.ENTER)
        wait = WebDriverWait(chromium, 15)
        wait.until(lambda page: page.find_elements(By.NAME, "count"))
        chromium.find_element(By.NAME, "start").click()  # not at once
        chromium.find_element(By.NAME, "first").submit()
        wait.until(lambda page: "10 simulators made." in page.page_source)

        chromium.find_element(By.CSS_SELECTOR, '[data-control="1"] [value="start"]').click()
        wait.until(lambda page: "1 simulator starts." in page.page_source)
        chromium.execute_script("window.stillTheSame = true")
        first = chromium.find_element(By.CSS_SELECTOR, '[data-simulator="1"][data-cell="state"]')
        wait.until(lambda _: "Stopped: the worker is not running" in first.text)
        with running_worker(server.env, tmp_path, "simulators") as worker:
            wait.until(lambda _: "Charging" in first.text)
            worker.kill()
        row = chromium.find_element(By.CSS_SELECTOR, '[data-control="1"]').text
        assert (row, chromium.execute_script("return window.stillTheSame")) == ("Stop Restart", True)
        assert [line for line in chromium.get_log("browser") if line["level"] != "DEBUG"] == []
