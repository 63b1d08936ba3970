"""F of the specification, over a real socket: sampled values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import add_driver, add_tag, ago, ask, meter, spent, start, stop
from tests.ocpp.staff import Api
from tests.servers import RunningServer

pytestmark = pytest.mark.usefixtures("books")
Rows = Callable[..., list[dict[str, Any]]]
REGISTER, POWER = "Energy.Active.Import.Register", "Power.Active.Import"


@pytest.fixture
def cid() -> str:
    return new_id()


@pytest.fixture
def charger(server: RunningServer, connect: Connect, cid: str) -> ChargePoint:
    """One where anyone may charge."""
    return connect(server, f"/{cid}")


def tell(charger: ChargePoint, id: int, *samples: dict[str, Any], **fields: Any) -> None:
    """One MeterValues of one element."""
    element = {"timestamp": ago(), "sampledValue": list(samples)}
    payload = {"connectorId": 1, "transactionId": id, "meterValue": [element]}
    assert ask(charger, "MeterValues", payload | fields) == {}


def readings(rows: Rows, id: int) -> list[dict[str, Any]]:
    return rows("SELECT * FROM meter_reading WHERE transaction_id = ? ORDER BY id", id)


def test_f1_tc_070_defaults_of_the_standard(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    tell(charger, id, {"value": "1500"})
    (row,) = readings(rows, id)
    assert (row["measurand"], row["value"], row["unit"], row["context"]) == (
        REGISTER,
        1500,
        "Wh",
        "Sample.Periodic",
    )
    assert (row["location"], row["format"], row["phase"], row["raw_value"]) == ("Outlet", "Raw", "", None)


def test_f1_thousands_become_base_units(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    tell(
        charger, id, {"value": "1.25", "unit": "kWh"}, {"value": "7.4", "unit": "kW", "measurand": POWER},
        {"value": "16.0", "unit": "A", "measurand": "Current.Import"},
    )  # fmt: skip
    found = [(row["value"], row["unit"], row["raw_value"], row["raw_unit"]) for row in readings(rows, id)]
    assert found == [(1250, "Wh", "1.25", "kWh"), (7400, "W", "7.4", "kW"), (16, "A", None, None)]


def test_f1_phases_apart_and_their_power_summed(charger: ChargePoint, rows: Rows, cid: str, api: Api) -> None:
    id = start(charger, "CAFE")
    tell(
        charger,
        id,
        *({"value": "1000", "measurand": POWER, "phase": f"L{n}", "unit": "W"} for n in (1, 2, 3)),
    )
    assert [row["phase"] for row in readings(rows, id)] == ["L1", "L2", "L3"]
    sql = "SELECT power_w FROM connector c JOIN charger p ON p.id = c.charger_id WHERE p.charger_id = ?"
    assert rows(sql, cid) == [{"power_w": 3000}]


def test_f1_signed_data_and_what_is_no_number(
    server: RunningServer, charger: ChargePoint, rows: Rows
) -> None:
    account = add_driver(server)
    id = start(charger, add_tag(server, account))
    values = ["NaN", "Infinity", "1e999", "9e99", "", "abc", "12,5", "\x00", "\ud800", "x" * 5000]
    tell(charger, id, {"value": "777", "format": "SignedData"}, *({"value": value} for value in values))
    found = readings(rows, id)
    assert [row["value"] for row in found] == [None] * 11
    assert [row["raw_value"] for row in found][:7] == ["777", "NaN", "Infinity", "1e999", "9e99", "", "abc"]
    assert spent(server, account) == 0
    meter(charger, 100, id)
    stop(charger, id, 120)
    assert spent(server, account) == 120


def test_f1_tc_071_a_thousand_samples_in_one_message(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    elements = [
        {"timestamp": ago(seconds=900 - n), "sampledValue": [{"value": str(n), "context": "Sample.Clock"}]}
        for n in range(1000)
    ]
    assert ask(charger, "MeterValues", {"connectorId": 1, "transactionId": id, "meterValue": elements}) == {}
    assert len(readings(rows, id)) == 1000
    assert rows("SELECT energy_wh FROM charge_transaction WHERE id = ?", id) == [{"energy_wh": 999}]


def test_f1_values_of_any_type_are_served(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    tell(
        charger,
        id,
        {"value": 5},
        {"value": 7.5},
        {"value": None},
        {"value": True},
        {"value": [1]},
        {},
        meterValue=5,
    )
    tell(charger, id, {"value": 5}, {"value": 7.5, "measurand": POWER, "unit": "w"}, {"value": True}, {})
    assert [(row["value"], row["unit"]) for row in readings(rows, id)] == [
        (5, "Wh"),
        (7.5, "W"),
        (None, "Wh"),
        (None, "Wh"),
    ]


def test_f2_the_newest_is_shown_whatever_arrives_late(
    charger: ChargePoint, cid: str, rows: Rows, api: Api
) -> None:
    id = start(charger, "CAFE")
    meter(charger, 900, id, ago(minutes=1))
    meter(charger, 400, id, ago(minutes=9))
    sql = "SELECT meter_wh FROM connector c JOIN charger p ON p.id = c.charger_id WHERE p.charger_id = ?"
    assert rows(sql, cid) == [{"meter_wh": 900}]
    told = api.get(f"/ocpp/chargers/{cid}/")[1]
    assert told["lastMeterValues"]["transactionId"] == id


def test_f1_a_message_of_the_largest_size(charger: ChargePoint, rows: Rows) -> None:
    id = start(charger, "CAFE")
    samples = [{"value": "1" * 100, "measurand": "Current.Import", "phase": "L1"}] * 6000
    tell(charger, id, *samples)
    assert len(readings(rows, id)) == 6000
    assert ask(charger, "Heartbeat")
