"""E10 of the specification, over real sockets: prepaid credit falls with the meter, and at zero it stops."""

from __future__ import annotations

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import BOOT, add_driver, add_tag, ask, meter, spent, start, started, stop, transaction
from tests.ocpp.staff import eventually, write
from tests.servers import RunningServer

pytestmark = pytest.mark.usefixtures("books")
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


@pytest.fixture
def driver(server: RunningServer) -> tuple[int, str]:
    """An account with 1 kWh, and its tag."""
    account = add_driver(server, credit_wh=1000)
    return account, add_tag(server, account)


def booted(server: RunningServer, connect: Connect, path: str = "") -> ChargePoint:
    charger = connect(server, path or f"/{new_id('PRE')}")
    ask(charger, "BootNotification", BOOT)
    return charger


def test_e10_the_balance_falls_with_the_meter(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    account, tag = driver
    charger = booted(server, connect)
    id = start(charger, tag, meterStart=5000)
    for register, used in ((5100, 100), (5400, 400), (5999, 999)):
        meter(charger, register, id)
        assert spent(server, account) == used

    assert charger.is_silent()


def test_e10_at_zero_the_central_system_asks_once_for_the_stop(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    account, tag = driver
    charger = booted(server, connect)
    id = start(charger, tag)
    meter(charger, 1000, id)
    call = charger.next_call("RemoteStopTransaction")
    assert call[3] == {"transactionId": id}
    charger.answer(call, ACCEPTED)

    for register in (1100, 1200, 1300):  # it winds down
        meter(charger, register, id)
    assert charger.is_silent()
    stop(charger, id, 1350, reason="Remote")
    assert spent(server, account) == 1350
    assert "credit_gone" in transaction(server, id)["flags"].split()


def test_e10_who_charges_on_after_a_reconnect_is_asked_again(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    _, tag = driver
    path = f"/{new_id('PRE')}"
    charger = booted(server, connect, path)
    id = start(charger, tag)
    meter(charger, 2000, id)
    charger.answer(charger.next_call("RemoteStopTransaction"), ACCEPTED)
    charger.hang_up()

    charger = connect(server, path)
    meter(charger, 2100, id)
    again = charger.next_call("RemoteStopTransaction")
    assert again[3] == {"transactionId": id}
    charger.answer(again, ACCEPTED)
    meter(charger, 2200, id)
    assert charger.is_silent()


def test_e10_a_charger_that_refuses_is_not_pestered(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    _, tag = driver
    charger = booted(server, connect)
    id = start(charger, tag)
    meter(charger, 1500, id)
    charger.answer(charger.next_call("RemoteStopTransaction"), REJECTED)
    meter(charger, 1600, id)

    assert charger.is_silent()
    eventually(lambda: "credit_gone" in transaction(server, id)["flags"])


def test_e10_two_chargers_on_one_account_do_not_overspend_it_beyond_one_interval(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    account, tag = driver
    other_tag = add_tag(server, account)
    one, two = booted(server, connect), booted(server, connect)
    first, second = start(one, tag), start(two, other_tag)
    meter(one, 400, first)
    meter(two, 500, second)
    assert one.is_silent(0.1)
    assert two.is_silent(0.1)

    meter(one, 500, first)  # together 1,000: the interval in which the credit ends

    for charger, id in ((one, first), (two, second)):
        call = charger.next_call("RemoteStopTransaction")
        assert call[3] == {"transactionId": id}
        charger.answer(call, ACCEPTED)
    stop(one, first, 510)
    stop(two, second, 520)
    assert spent(server, account) == 1030


def test_e10_both_connectors_of_a_charger_are_stopped(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    account, tag = driver
    other_tag = add_tag(server, account)
    charger = booted(server, connect)
    first, second = start(charger, tag), start(charger, other_tag, connectorId=2)
    meter(charger, 1000, first)

    asked = set()
    for _ in range(2):  # one at a time (B6)
        call = charger.next_call("RemoteStopTransaction")
        asked.add(call[3]["transactionId"])
        charger.answer(call, ACCEPTED)
    assert asked == {first, second}


def test_e10_a_service_account_is_never_stopped(server: RunningServer, connect: Connect) -> None:
    account = add_driver(server, credit_wh=0, service=True)
    charger = booted(server, connect)
    id = start(charger, add_tag(server, account))
    meter(charger, 50_000, id)

    assert charger.is_silent()
    assert spent(server, account) == 50_000


def test_e10_energy_without_an_account_is_nobodys_to_stop(server: RunningServer, connect: Connect) -> None:
    charger = booted(server, connect)
    id = start(charger, new_id("STRANGER")[:20])
    meter(charger, 50_000, id)

    assert charger.is_silent()


def test_e10_a_refused_start_that_charges_all_the_same_is_stopped(
    server: RunningServer, connect: Connect
) -> None:
    account = add_driver(server, credit_wh=0)
    cid = new_id("PRE")
    charger = booted(server, connect, f"/{cid}")
    write(server, "UPDATE charger SET require_rfid = 1 WHERE charger_id = ?", cid)
    answer = started(charger, add_tag(server, account))
    assert answer["idTagInfo"]["status"] == "Blocked"
    meter(charger, 200, answer["transactionId"])

    assert charger.next_call("RemoteStopTransaction")[3] == {"transactionId": answer["transactionId"]}


def test_e10_credit_that_staff_take_away_ends_the_charge(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    account, tag = driver
    charger = booted(server, connect)
    id = start(charger, tag)
    meter(charger, 300, id)
    write(server, "UPDATE account SET credited_wh = 100 WHERE id = ?", account)
    meter(charger, 310, id)

    assert charger.next_call("RemoteStopTransaction")[3] == {"transactionId": id}


def test_e10_readings_of_a_stopped_transaction_stop_nothing(
    server: RunningServer, connect: Connect, driver: tuple[int, str]
) -> None:
    _, tag = driver
    charger = booted(server, connect)
    id = start(charger, tag)
    stop(charger, id, 3000)
    meter(charger, 3000, id)

    assert charger.is_silent()
