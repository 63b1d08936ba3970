"""Start and stop from the landing page, at a charge point behind a real socket: what it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.landing.phone import Phone
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.drivers import BOOT, add_driver, add_tag, ask, check_books, meter, start, status, stop
from tests.ocpp.staff import eventually, read, write
from tests.servers import RunningServer, running_server

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that gives chargers two seconds to answer."""
    with running_server(tmp_path_factory.mktemp("server"), OCPP_CALL_TIMEOUT="2") as running:
        yield running
        check_books(running)
        running.kill()  # nothing of it is needed any more


@pytest.fixture
def id() -> str:
    """The id of this test's charger."""
    return new_id()


@pytest.fixture
def charger(server: RunningServer, id: str) -> Iterator[ChargePoint]:
    """A charger that has booted, and whose one connector is free."""
    with ChargePoint(server.port, f"/ocpp/{id}") as point:
        ask(point, "BootNotification", BOOT)
        status(point, "Available")
        yield point


@pytest.fixture
def account(server: RunningServer) -> int:
    """A driver's account."""
    return add_driver(server)


@pytest.fixture
def tag(server: RunningServer, account: int) -> str:
    """The driver's card."""
    return add_tag(server, account)


@pytest.fixture
def phone(server: RunningServer, account: int, tag: str) -> Phone:
    """The driver's phone."""
    return Phone(server, account)


def asked(received: list[list[Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The commands that a charger was sent."""
    return [(call[2], call[3]) for call in received if call[0] == 2]


def test_a_driver_starts_sees_the_energy_and_stops(
    phone: Phone, charger: ChargePoint, id: str, tag: str, account: int, server: RunningServer
) -> None:
    assert "Start charging" in phone.get(f"/ocpp/c/{id}/")
    with charger.serving({"RemoteStartTransaction": ACCEPTED}) as received:
        answer = phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)
    assert "The charger has accepted." in answer
    assert asked(received) == [("RemoteStartTransaction", {"idTag": tag, "connectorId": 1})]

    session = start(charger, tag)
    meter(charger, 2340, session)
    page = phone.get(f"/ocpp/c/{id}/")
    assert "You are charging" in page
    assert "2.34 kWh" in page
    assert "97.66 kWh" in page

    with charger.serving({"RemoteStopTransaction": ACCEPTED}) as received:
        answer = phone.submit(f"/ocpp/c/{id}/stop/", transaction=session)
    assert "The charger is stopping." in answer
    assert asked(received) == [("RemoteStopTransaction", {"transactionId": session})]

    stop(charger, session, 2500)
    assert "You are charging" not in phone.get(f"/ocpp/c/{id}/")
    with charger.serving({"RemoteStartTransaction": REJECTED}) as received:  # the next session may begin
        assert "refused to start" in phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)
    assert len(asked(received)) == 1
    assert "This session has ended already." in phone.submit(f"/ocpp/c/{id}/stop/", transaction=session)
    trail = read(server, "SELECT action, details FROM audit_entry WHERE subject_id = ? ORDER BY id", id)
    assert [row["action"] for row in trail] == ["command"] * 3


def test_the_card_that_was_chosen_is_the_one_that_starts(
    phone: Phone, charger: ChargePoint, id: str, account: int, server: RunningServer
) -> None:
    second = add_tag(server, account)
    (row,) = read(server, "SELECT id FROM rfid WHERE rfid = ?", second)

    with charger.serving({"RemoteStartTransaction": ACCEPTED}) as received:
        phone.submit(f"/ocpp/c/{id}/start/", connector_id=1, card=row["id"])

    assert asked(received) == [("RemoteStartTransaction", {"idTag": second, "connectorId": 1})]


def test_a_double_click_asks_the_charger_once(phone: Phone, charger: ChargePoint, id: str) -> None:
    pressed, go = threading.Barrier(4), threading.Event()

    def slowly(_payload: dict[str, Any]) -> dict[str, Any]:
        go.wait(10)
        return ACCEPTED

    def click() -> str:
        pressed.wait()
        return phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)

    with charger.serving({"RemoteStartTransaction": slowly}) as received, ThreadPoolExecutor(4) as pool:
        clicks = [pool.submit(click) for _ in range(4)]
        eventually(lambda: sum(one.done() for one in clicks) == 3)  # they do not wait for the charger
        go.set()
        answers = [one.result() for one in clicks]
        answers.append(phone.submit(f"/ocpp/c/{id}/start/", connector_id=1))

    assert len(asked(received)) == 1
    assert sum("has been asked already" in answer for answer in answers) >= 3


def test_a_rejected_start_is_told_and_may_be_tried_again(phone: Phone, charger: ChargePoint, id: str) -> None:
    with charger.serving({"RemoteStartTransaction": REJECTED}) as received:
        for _ in range(2):
            answer = phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)
            assert "The charger refused to start." in answer

    assert len(asked(received)) == 2


def test_a_charger_that_says_nothing_is_told(phone: Phone, charger: ChargePoint, id: str) -> None:
    with charger.serving():
        assert "did not answer in time" in phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)


def test_a_charger_that_cannot_is_told(phone: Phone, charger: ChargePoint, id: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(phone.submit, f"/ocpp/c/{id}/start/", connector_id=1)
        charger.refuse(charger.next_call("RemoteStartTransaction"), "NotSupported")
        assert "could not do this" in answer.result()


def test_an_offline_charger_is_told_at_start_and_stop(
    phone: Phone, charger: ChargePoint, id: str, tag: str
) -> None:
    session = start(charger, tag)
    charger.close()
    eventually(lambda: "It cannot be reached" in phone.get(f"/ocpp/c/{id}/"))

    assert "The charger is offline" in phone.submit(f"/ocpp/c/{id}/stop/", transaction=session)
    assert "The charger is offline" in phone.submit(f"/ocpp/c/{id}/start/", connector_id=2)


def test_nobody_stops_what_is_anothers(
    phone: Phone, charger: ChargePoint, id: str, server: RunningServer
) -> None:
    theirs = start(charger, add_tag(server, add_driver(server)))

    with charger.serving({"RemoteStopTransaction": ACCEPTED}) as received:
        assert "This is no session of yours." in phone.submit(f"/ocpp/c/{id}/stop/", transaction=theirs)
        assert "Another car is charging here." in phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)

    assert asked(received) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE rfid SET allowed = 0, user_id = NULL WHERE user_id = :user", "no card that may charge"),
        ("UPDATE rfid SET allowed = 0 WHERE user_id = :user", "no card that may charge"),
        ("UPDATE rfid SET expires_at = '2026-01-02 00:00:00.000000' WHERE user_id = :user", "no card"),
        ("UPDATE account SET credited_wh = 0 WHERE user_id = :user", "no credit left"),
    ],
)
def test_what_has_changed_since_the_page_was_loaded_counts(
    phone: Phone,
    charger: ChargePoint,
    id: str,
    account: int,
    server: RunningServer,
    change: str,
    sentence: str,
) -> None:
    assert "Start charging" in phone.get(f"/ocpp/c/{id}/")
    (row,) = read(server, "SELECT user_id FROM account WHERE id = ?", account)
    write(server, change.replace(":user", str(row["user_id"])))

    with charger.serving({"RemoteStartTransaction": ACCEPTED}) as received:
        assert sentence in phone.submit(f"/ocpp/c/{id}/start/", connector_id=1)

    assert asked(received) == []


def test_of_a_charger_that_has_named_no_connector_the_charger_chooses(
    phone: Phone, server: RunningServer, id: str, tag: str
) -> None:
    with ChargePoint(server.port, f"/ocpp/{id}") as charger:
        ask(charger, "BootNotification", BOOT)
        assert "Start charging" in phone.get(f"/ocpp/c/{id}/")
        with charger.serving({"RemoteStartTransaction": ACCEPTED}) as received:
            phone.submit(f"/ocpp/c/{id}/start/")

    assert asked(received) == [("RemoteStartTransaction", {"idTag": tag})]
