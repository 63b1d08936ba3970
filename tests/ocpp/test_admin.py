"""The staff screens of ocpp: what they show and change, what they leave in the trail, to whom they open."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from app.blueprints.accounts.models import RFID, AuditEntry
from app.blueprints.accounts.services import create_user
from app.blueprints.ocpp.models import (
    Charger,
    Connector,
    MeterReading,
    OcppMessage,
    OddStop,
    Refusal,
    Simulator,
    Transaction,
    UnknownTag,
)
from app.blueprints.ocpp.services import keys
from app.db import UnitOfWork, db, unit_of_work
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ChargerFactory,
    ConnectorFactory,
    RFIDFactory,
    TransactionFactory,
    UserFactory,
)
from tests.ocpp.charge_point import new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.handshake import Refused
from tests.ocpp.staff import Staff
from tests.servers import RunningServer

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
KEY = "correct-horse-battery"
TABLES = (
    "charger", "connector", "transaction", "meter_reading", "ocpp_message", "refusal", "unknown_tag",
    "odd_stop", "simulator",
)  # fmt: skip
SCREENS = (
    *(f"/admin/{table}/" for table in TABLES),
    "/admin/charger/new/",
    "/admin/charger/edit/?id=1",
    "/admin/charger/details/?id=1",
    "/admin/charger/named/CP1/",
    "/admin/charger/command/reset/?id=1",
    "/admin/odd_stop/resolve/?id=1",
    "/admin/simulator/new/",
    "/admin/authorization/?tag=A&account=1&user=x&charger=CP1",
)


@pytest.fixture
def driver(app: Flask) -> Browser:
    """The browser of a logged-in driver."""
    browser: Browser = app.test_client()  # type: ignore[assignment]
    with app.app_context(), unit_of_work() as work:
        return browser.log_in(create_user(work, "driver"))


def trail(work: UnitOfWork, action: str) -> list[AuditEntry]:
    work.expire_all()
    return list(work.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)))


def everything(work: UnitOfWork) -> Charger:
    """A charger at which everything has happened once."""
    charger = ChargerFactory(charger_id="CP1", name="<b>Yard</b>", vendor="<i>V</i>", last_seen=NOON)
    ConnectorFactory(
        charger=charger, connector_id=1, status="Faulted", error_code="GroundFailure", info="<u>i</u>"
    )
    transaction = TransactionFactory(
        charger=charger,
        id_tag="<S>TAG</S>",
        started_at=NOON,
        meter_last_wh=1500,
        energy_wh=1500,
        flags="late",
    )
    reading = {"charger_id": charger.id, "connector_id": 1, "at": NOON, "measurand": "<q>m</q>"}
    work.add_all(
        [
            MeterReading(**reading, transaction_id=transaction.id, value=1500, unit="Wh"),
            MeterReading(**reading, raw_value="<em>nonsense</em>"),
            OcppMessage(charger_id=charger.id, direction="in", request="<small>" + "x" * 500, action="<a>"),
            Refusal(
                charger_id=charger.id, id_tag="<S>", action="Authorize", status="Blocked", reason="no_credit"
            ),
            UnknownTag(charger_id=charger.id, id_tag="<DEL>"),
            OddStop(charger_id=charger.id, why="unknown", claimed_id="<ins>", payload={"a": "<sup>"}),
            Simulator(name="S1", cp_path="SIM1/", password="simulator-secret"),
        ]
    )
    work.flush()
    return charger


# Who may see them


def test_strangers_are_sent_to_the_login(client: Browser) -> None:
    for path in SCREENS:
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert answer.location.startswith("/login/?next=/admin/"), path


def test_drivers_are_refused(driver: Browser) -> None:
    for path in SCREENS:
        assert driver.get(path).status_code == 403, path


def test_staff_see_empty_tables(staff: Browser) -> None:
    for path in SCREENS:
        assert staff.get(path).status_code in (200, 302), path


@both_databases
def test_what_chargers_say_stays_text(staff: Browser, work: UnitOfWork) -> None:
    everything(work)

    for path in (*SCREENS, "/admin/transaction/details/?id=1", "/admin/ocpp_message/details/?id=1"):
        page = staff.get(path, follow_redirects=True)
        assert page.status_code == 200, path
        for tag in (
            "<b>Yard",
            "<i>V",
            "<u>i",
            "<S>",
            "<q>m",
            "<em>non",
            "<small>x",
            "<DEL>",
            "<ins>",
            "<sup>",
        ):
            assert tag not in page.text, path
        assert "simulator-secret" not in page.text, path


def test_writes_need_our_own_page(staff: Browser) -> None:
    for path in (
        "/admin/charger/action/", "/admin/charger/delete/", "/admin/charger/command/reset/",
        "/admin/transaction/action/", "/admin/unknown_tag/action/", "/admin/odd_stop/resolve/",
    ):  # fmt: skip
        assert staff.post(path, data={"action": "x"}).status_code == 400, path


def test_what_happened_is_not_edited(staff: Browser, work: UnitOfWork) -> None:
    everything(work)

    for table in ("connector", "transaction", "meter_reading", "ocpp_message", "refusal", "odd_stop"):
        for path in ("new/", "edit/?id=1"):
            assert staff.get(f"/admin/{table}/{path}").status_code == 302, table
        staff.submit(f"/admin/{table}/delete/", {"id": "1"})
        staff.submit(f"/admin/{table}/action/", {"action": "delete", "rowid": "1"})
    for model in (Connector, Transaction, MeterReading, OcppMessage, Refusal, OddStop):
        assert work.scalar(select(model.id).limit(1)), model


# The list of chargers


@both_databases
def test_the_list_tells_state_and_links_to_the_log(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="A:1 #ñ", name="Yard")

    page = staff.get("/admin/charger/").text

    assert "Yard" in page
    assert "Offline" in page
    assert "/ocpp/log/A:1%20%23%C3%B1/" in page


@both_databases
def test_search_and_filters(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="first", vendor="Acme", blocked=True)
    ChargerFactory(charger_id="second", name="Harbour")

    def found(query: str) -> set[str]:
        page = staff.get(f"/admin/charger/?{query}").text
        return {name for name in ("first", "second") if f"log/{name}/" in page}

    assert found("") == {"first", "second"}
    assert found("search=harb") == {"second"}
    assert found("search=acme") == {"first"}
    assert found("flt0_2=1") == {"first"}
    assert found("flt0_2=0&search=acme") == set()


def test_the_list_asks_a_constant_number_of_questions(staff: Browser, work: UnitOfWork) -> None:
    counts = []
    staff.get("/admin/charger/")
    for path in ("/admin/charger/", "/admin/meter_reading/", "/admin/ocpp_message/", "/admin/transaction/"):
        for _ in range(2):
            for _ in range(3):
                charger = ChargerFactory()
                TransactionFactory(charger=charger)
                work.add(MeterReading(charger_id=charger.id, connector_id=1, at=NOON, measurand="x"))
                work.add(OcppMessage(charger_id=charger.id, direction="in", request="x"))
            counts.append(len(statements(staff, path)))

    assert counts[::2] == counts[1::2]


def statements(browser: Browser, path: str) -> list[str]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    db.session.commit()
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert browser.get(path).status_code == 200
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return [statement for statement in seen if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK"))]


def test_what_grows_is_never_counted(staff: Browser, work: UnitOfWork) -> None:
    everything(work)

    for table in ("meter_reading", "ocpp_message", "transaction", "refusal"):
        asked = statements(staff, f"/admin/{table}/")
        assert not [statement for statement in asked if "count(" in statement.lower()], table


@both_databases
def test_rows_of_one_charger(staff: Browser, work: UnitOfWork) -> None:
    everything(work)

    for table in ("connector", "meter_reading", "ocpp_message", "transaction", "refusal"):
        for charger_id, expected in (("CP1", True), ("CP2", False)):
            page = staff.get(f"/admin/{table}/?flt0_0={charger_id}").text
            assert ('<td class="col-' in page) is expected, table


# A charger


FORM = {"name": "Yard", "registration_status": "Accepted", "validation": "", "config": "{}"}


def edit(staff: Browser, charger: Charger, **changes: str) -> str:
    answer = staff.submit(f"/admin/charger/edit/?id={charger.id}", FORM | changes, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


@both_databases
def test_staff_adjust_a_charger(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1", auth_key_hash=keys.hashed(KEY))

    edit(
        staff, charger, require_rfid="y", blocked="y", registration_status="Pending", validation="strict",
        latitude="25.123456", longitude="-100.654321", config='{"a": [1]}',
    )  # fmt: skip

    work.expire_all()
    assert (charger.name, charger.require_rfid, charger.blocked) == ("Yard", True, True)
    assert (charger.registration_status, charger.validation, charger.config) == (
        "Pending",
        "strict",
        {"a": [1]},
    )
    assert (str(charger.latitude), str(charger.longitude)) == ("25.123456", "-100.654321")
    assert keys.matches(KEY.encode(), charger.auth_key_hash)  # untouched
    (entry,) = trail(work, "update")
    assert (entry.username, entry.subject) == ("staff", "charger")
    assert entry.details["name"] == ["", "Yard"]
    assert 'value="25.123456"' in staff.get(f"/admin/charger/edit/?id={charger.id}").text


def test_the_id_is_the_chargers_own(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")

    edit(staff, charger, charger_id="other")

    work.expire_all()
    assert charger.charger_id == "CP1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": "[1]"}, {"config": "{"}, {"latitude": "91"}, {"longitude": "x"}, {"auth_key": "short"},
        {"auth_key": "x" * 41}, {"auth_key": KEY, "clear_key": "y"}, {"registration_status": "Maybe"},
        {"name": "x" * 101},
    ],
)  # fmt: skip
def test_wrong_input_changes_nothing(staff: Browser, work: UnitOfWork, wrong: dict[str, str]) -> None:
    charger = ChargerFactory(charger_id="CP1", name="before")

    edit(staff, charger, **wrong)

    work.expire_all()
    assert charger.name == "before"
    assert charger.auth_key_hash == ""


def test_a_key_is_set_and_removed_and_never_shown(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")

    shown = edit(staff, charger, auth_key=KEY)
    work.expire_all()
    stored = charger.auth_key_hash
    assert keys.matches(KEY.encode(), stored)
    for page in (
        shown,
        *(staff.get(f"/admin/charger/{view}/?id={charger.id}").text for view in ("details", "edit")),
    ):
        assert KEY not in page
        assert stored not in page
    (entry,) = trail(work, "update")
    assert KEY not in str(entry.details)
    assert stored not in str(entry.details)

    edit(staff, charger, clear_key="y")
    work.expire_all()
    assert charger.auth_key_hash == ""


@both_databases
def test_a_charger_can_be_announced(staff: Browser, work: UnitOfWork) -> None:
    staff.submit("/admin/charger/new/", FORM | {"charger_id": "Ñ:1 #", "auth_key": KEY})

    charger = work.scalars(select(Charger)).one()
    assert charger.charger_id == "Ñ:1 #"
    assert keys.matches(KEY.encode(), charger.auth_key_hash)
    assert len(trail(work, "create")) == 1


@pytest.mark.parametrize("charger_id", ["", "  ", "a/b", "a\x07b", "x" * 101, "CP1"])
def test_a_charger_that_could_not_connect(staff: Browser, work: UnitOfWork, charger_id: str) -> None:
    ChargerFactory(charger_id="CP1")

    staff.submit("/admin/charger/new/", FORM | {"charger_id": charger_id})

    assert len(work.scalars(select(Charger)).all()) == 1


@both_databases
def test_a_charger_with_history_stays(staff: Browser, work: UnitOfWork) -> None:
    kept, fresh = everything(work), ChargerFactory(charger_id="fresh")
    ConnectorFactory(charger=fresh)
    work.add(UnknownTag(charger_id=fresh.id, id_tag="A"))

    answer = staff.submit("/admin/charger/delete/", {"id": str(kept.id)}, follow_redirects=True)
    assert "has history" in answer.text
    staff.submit("/admin/charger/delete/", {"id": str(fresh.id)})

    assert work.scalars(select(Charger.charger_id)).all() == ["CP1"]


def test_a_charger_by_its_id(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="A:1 #ñ")
    ids = charger.id

    assert staff.get("/admin/charger/named/A:1%20%23%C3%B1/").location.endswith(f"/details/?id={ids}")
    assert staff.get("/admin/charger/named/nobody%00/").location.endswith("/admin/charger/")


def test_a_chargers_page_tells_what_happened(staff: Browser, work: UnitOfWork) -> None:
    charger = everything(work)

    page = staff.get(f"/admin/charger/details/?id={charger.id}").text

    for text in ("GroundFailure", "&lt;DEL&gt;", "its owner has no credit left", "&lt;S&gt;TAG", "1.5 kWh"):
        assert text in page


# Commands


@pytest.mark.parametrize(
    "name",
    ["remote_start", "remote_stop", "reset", "unlock", "change_availability", "trigger_message", "other"],
)
def test_an_action_asks_for_its_parameters(staff: Browser, work: UnitOfWork, name: str) -> None:
    ids = [ChargerFactory(charger_id=f"CP{number}").id for number in range(2)]

    answer = staff.submit("/admin/charger/action/", {"action": name, "rowid": [str(id) for id in ids]})

    assert answer.status_code == 302
    form = staff.get(answer.location).text
    assert "CP0" in form
    assert "CP1" in form
    assert 'method="post"' in form


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("remote_start", {"id_tag": ""}), ("remote_start", {"id_tag": "x" * 21}),
        ("remote_start", {"id_tag": "A", "connector_id": "0"}), ("remote_stop", {"transaction_id": "x"}),
        ("reset", {"type": "Gentle"}), ("unlock", {"connector_id": ""}), ("unlock", {"connector_id": "300"}),
        ("change_availability", {"connector_id": "-1", "type": "Operative"}),
        ("trigger_message", {"requested_message": "Nothing"}), ("other", {"action": "Dance"}),
        ("other", {"action": "Reset", "payload": "{"}),
    ],
)  # fmt: skip
def test_a_wrong_parameter_sends_nothing(
    staff: Browser, work: UnitOfWork, name: str, parameters: dict[str, str]
) -> None:
    id = ChargerFactory().id

    page = staff.submit(f"/admin/charger/command/{name}/", parameters | {"id": str(id)})

    assert page.status_code == 200
    assert "is-invalid" in page.text


def test_links_fill_in_what_they_are_about(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory()
    ConnectorFactory(charger=charger, connector_id=2)
    transaction = TransactionFactory(charger=charger, connector_id=1).id
    page = staff.get(f"/admin/charger/details/?id={charger.id}").text

    links = [
        link.replace("&amp;", "&") for link in re.findall(r'href="(/admin/charger/command/[^"]+)"', page)
    ]
    stop = next(link for link in links if "transaction_id=" in link)
    start = next(link for link in links if "connector_id=" in link)

    assert f'value="{transaction}"' in staff.get(stop).text
    assert re.search(r'name="connector_id"[^>]*value="2"', staff.get(start).text)


def test_each_charger_answers_for_itself(staff: Browser, work: UnitOfWork) -> None:
    ids = [str(ChargerFactory(charger_id=f"CP{number}").id) for number in range(3)]

    page = staff.submit("/admin/charger/command/reset/", {"id": ids, "type": "Soft"}).text

    assert page.count("no connection") == 3
    assert trail(work, "command") == []  # nothing was sent


def test_unknown_commands_and_no_chargers(staff: Browser) -> None:
    assert staff.get("/admin/charger/command/dance/").status_code == 404
    assert "No charger was selected" in staff.get("/admin/charger/command/reset/?id=x&id=77").text
    assert "No charger was selected" in staff.submit("/admin/charger/command/reset/", {"type": "Soft"}).text


def test_commands_reach_chargers_and_show_their_answers(
    server: RunningServer, connect: Connect, rows: Any
) -> None:
    boss, names = Staff(server), [new_id("cmd"), new_id("cmd"), new_id("cmd")]
    chargers = [connect(server, f"/ocpp/{name}") for name in names[:2]]
    for charger in chargers:
        charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    connect(server, f"/ocpp/{names[2]}").hang_up()
    ids = [rows("SELECT id FROM charger WHERE charger_id = ?", name)[0]["id"] for name in names]
    path = "/admin/charger/command/remote_start/"

    replies = (
        {"RemoteStartTransaction": {"status": "Accepted"}},
        {"RemoteStartTransaction": {"status": "Rejected"}},
    )
    with chargers[0].serving(replies[0]) as asked, chargers[1].serving(replies[1]):
        page = boss.post(f"{path}?id={ids[0]}", path, id=ids, id_tag="ABCD1234", connector_id="1")

    assert page.index("Accepted") < page.index("Rejected") < page.index("no connection")
    assert asked[0][2:] == ["RemoteStartTransaction", {"connectorId": 1, "idTag": "ABCD1234"}]
    entries = rows(
        "SELECT * FROM audit_entry WHERE action = 'command' AND subject_id LIKE 'cmd%' ORDER BY subject_id"
    )
    assert {entry["subject_id"] for entry in entries} >= set(names[:2])
    assert names[2] not in {entry["subject_id"] for entry in entries}


def test_a_charger_that_staff_block_is_hung_up_on_and_kept_out(
    server: RunningServer, connect: Connect, rows: Any
) -> None:
    boss, name = Staff(server), new_id("block")
    charger = connect(server, f"/{name}")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    (row,) = rows("SELECT id FROM charger WHERE charger_id = ?", name)
    edit, form = f"/admin/charger/edit/?id={row['id']}", {"registration_status": "Accepted", "config": "{}"}
    boss.post(edit, edit, name="renamed", **form)
    assert charger.is_silent(0.3)

    boss.post(edit, edit, name="renamed", blocked="y", **form)

    assert charger.closed(5).code == 1012
    with pytest.raises(Refused) as refusal:
        connect(server, f"/{name}")
    assert refusal.value.status == 403


def test_any_command_in_the_standards_words(server: RunningServer, connect: Connect, rows: Any) -> None:
    boss, name = Staff(server), new_id("any")
    charger = connect(server, f"/ocpp/{name}")
    charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    (row,) = rows("SELECT id FROM charger WHERE charger_id = ?", name)
    path = "/admin/charger/command/other/"

    with charger.serving({"GetConfiguration": {"unknownKey": ["Nonsense"]}}) as asked:
        page = boss.post(
            f"{path}?id={row['id']}",
            path,
            id=row["id"],
            action="GetConfiguration",
            payload='{"key": ["Nonsense"]}',
        )

    assert asked[0][2:] == ["GetConfiguration", {"key": ["Nonsense"]}]
    assert "unknownKey" in page


# Transactions


@both_databases
def test_closing_transactions(staff: Browser, work: UnitOfWork) -> None:
    account = AccountFactory(spent_wh=0)
    running = TransactionFactory(account=account, meter_start_wh=100, meter_last_wh=1100)
    ended = TransactionFactory(stopped_at=NOON)
    ids = [str(running.id), str(ended.id), "x"]

    data = {"action": "close", "rowid": ids}
    page = staff.submit("/admin/transaction/action/", data, follow_redirects=True).text

    assert "1 transaction closed" in page
    assert "has stopped already" in page
    work.expire_all()
    assert running.stopped_at is not None
    assert running.energy_wh == account.spent_wh == 1000
    (entry,) = trail(work, "close")
    assert (entry.username, entry.subject_id) == ("staff", ids[0])


def test_closing_asks_first(staff: Browser, work: UnitOfWork) -> None:
    TransactionFactory()

    assert "End the selected transactions" in staff.get("/admin/transaction/").text


def test_transactions_of_one_account(staff: Browser, work: UnitOfWork) -> None:
    account = AccountFactory(user=UserFactory(username="ana", account=None))
    TransactionFactory(account=account, id_tag="HERS")
    TransactionFactory(id_tag="ANOTHERS")

    page = staff.get("/admin/transaction/?flt0_1=ana").text

    assert "HERS" in page
    assert "ANOTHERS" not in page


# Tags and odd stops


def unknown(work: UnitOfWork, id_tag: str, charger: Charger | None = None) -> UnknownTag:
    row = UnknownTag(charger_id=(charger or ChargerFactory()).id, id_tag=id_tag)
    work.add(row)
    work.flush()
    return row


@both_databases
def test_adopting_makes_a_tag_known_everywhere(staff: Browser, work: UnitOfWork) -> None:
    row = unknown(work, "ABCD1234")
    unknown(work, "ABCD1234")
    unknown(work, "OTHER")

    data = {"action": "adopt", "rowid": str(row.id)}
    page = staff.submit("/admin/unknown_tag/action/", data, follow_redirects=True).text

    assert "1 tag adopted" in page
    tag = work.scalars(select(RFID)).one()
    assert (tag.rfid, tag.allowed, tag.user_id) == ("ABCD1234", True, None)
    assert work.scalars(select(UnknownTag.id_tag)).all() == ["OTHER"]
    (entry,) = trail(work, "adopt")
    assert (entry.username, entry.subject, entry.subject_id) == ("staff", "rfid", str(tag.id))


def test_adopting_from_the_chargers_page_comes_back_to_it(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory()
    tag = unknown(work, "ABCD1234", charger)
    here = f"/admin/charger/details/?id={charger.id}"
    page = staff.get(here).text
    assert f'name="url" value="{here}"' in page

    answer = staff.submit(
        "/admin/unknown_tag/action/", {"action": "adopt", "rowid": str(tag.id), "url": here}
    )

    assert answer.location.endswith(here)
    assert work.scalars(select(RFID.rfid)).all() == ["ABCD1234"]


def test_a_tag_that_is_known_meanwhile_stays_as_it_is(staff: Browser, work: UnitOfWork) -> None:
    RFIDFactory(rfid="ABCD1234", allowed=False, user=None)
    row = unknown(work, "ABCD1234")

    staff.submit("/admin/unknown_tag/action/", {"action": "adopt", "rowid": str(row.id)})

    assert work.scalars(select(RFID)).one().allowed is False
    assert work.scalars(select(UnknownTag)).all() == []


def test_what_is_no_card_is_not_adopted(staff: Browser, work: UnitOfWork) -> None:
    row = unknown(work, "X" * 21)

    data = {"action": "adopt", "rowid": [str(row.id), "77"]}
    page = staff.submit("/admin/unknown_tag/action/", data, follow_redirects=True).text

    assert "more than 20 characters" in page
    assert work.scalars(select(RFID)).all() == []
    assert len(work.scalars(select(UnknownTag)).all()) == 1


@both_databases
def test_odd_stops_are_resolved_with_a_note(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")
    stops = [OddStop(charger_id=charger.id, why="unknown", payload={"meterStop": 5}) for _ in range(2)]
    work.add_all(stops)
    work.flush()
    ids = [str(stop.id) for stop in stops]

    asked = staff.submit("/admin/odd_stop/action/", {"action": "resolve", "rowid": ids})
    assert "meterStop" in staff.get(asked.location).text
    assert "is-invalid" in staff.submit("/admin/odd_stop/resolve/", {"id": ids, "note": " "}).text
    staff.submit("/admin/odd_stop/resolve/", {"id": ids, "note": "the charger was reset"})

    work.expire_all()
    assert all(stop.resolved_at and stop.note == "the charger was reset" for stop in stops)
    assert stops[0].resolved_by.username == "staff"
    assert len(trail(work, "resolve")) == 2
    assert "the charger was reset" in staff.get("/admin/odd_stop/").text


# Simulators


SIMULATOR = {"name": "S1", "cp_path": "SIM1/", "host": "127.0.0.1", "ws_port": "8000", "rfid": "FFFFFFFF"}


@both_databases
def test_simulators_are_made_changed_and_removed(staff: Browser, work: UnitOfWork) -> None:
    staff.submit("/admin/simulator/new/", SIMULATOR | {"username": "u", "password": KEY})
    row = work.scalars(select(Simulator)).one()
    assert (row.name, row.cp_path, row.ws_port, row.repeat, row.password) == ("S1", "SIM1/", 8000, False, KEY)

    edit_url = f"/admin/simulator/edit/?id={row.id}"
    assert KEY not in staff.get(edit_url).text
    staff.submit(edit_url, SIMULATOR | {"name": "S2", "repeat": "y", "password": ""})
    work.expire_all()
    assert (row.name, row.repeat, row.password) == ("S2", True, KEY)
    assert KEY not in json.dumps([entry.details for entry in trail(work, "create") + trail(work, "update")])

    staff.submit("/admin/simulator/delete/", {"id": str(row.id)})
    work.expire_all()
    assert work.scalars(select(Simulator)).all() == []


@pytest.mark.parametrize("wrong", [{"ws_port": "0"}, {"ws_port": "70000"}, {"name": ""}, {"cp_path": ""}])
def test_a_simulator_that_could_not_connect(staff: Browser, work: UnitOfWork, wrong: dict[str, str]) -> None:
    staff.submit("/admin/simulator/new/", SIMULATOR | wrong)

    assert work.scalars(select(Simulator)).all() == []


def test_readings_are_newest_first(staff: Browser, work: UnitOfWork) -> None:
    charger = ChargerFactory(charger_id="CP1")
    for number, at in enumerate((NOON, NOON + timedelta(hours=2), NOON + timedelta(hours=1))):
        reading = {"charger_id": charger.id, "connector_id": 1, "measurand": f"m{number}", "at": at}
        work.add(MeterReading(**reading, value=number))

    page = staff.get("/admin/meter_reading/?flt0_0=CP1").text

    assert page.index("m1") < page.index("m2") < page.index("m0")
