"""Sampled values (F of the specification), as rules, on both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.blueprints.ocpp.models import Connector, MeterReading
from app.clock import utcnow
from tests.databases import both_databases
from tests.ocpp.rules import ChargePoint, Site, element, iso, sample

pytestmark = both_databases
REGISTER, POWER = "Energy.Active.Import.Register", "Power.Active.Import"


@pytest.fixture
def charger(site: Site) -> ChargePoint:
    """One where anyone may charge."""
    return site.charger()


def tell(charger: ChargePoint, *elements: dict[str, Any], **fields: Any) -> None:
    charger.ask("MeterValues", {"connectorId": 1, "meterValue": list(elements)} | fields)


def ago(**span: float) -> str:
    return iso(utcnow() - timedelta(**span))


def connector(site: Site) -> Connector:
    return site.one(Connector, connector_id=1)


def test_f1_what_is_not_said_has_the_defaults_of_the_standard(site: Site, charger: ChargePoint) -> None:
    tell(charger, element([sample(1500)], "2026-03-01T10:00:00Z"))
    row = site.one(MeterReading)
    assert (row.measurand, row.value, row.unit) == (REGISTER, Decimal(1500), "Wh")
    assert (row.context, row.location, row.format, row.phase) == ("Sample.Periodic", "Outlet", "Raw", "")
    assert (row.raw_value, row.raw_unit, row.transaction_id) == (None, None, None)
    assert row.at.isoformat() == "2026-03-01T10:00:00+00:00"


def test_f1_thousands_become_base_units_and_the_original_is_kept(site: Site, charger: ChargePoint) -> None:
    tell(
        charger,
        element([
            sample("8.2", REGISTER, unit="kWh"), sample("11.04", POWER, unit="kW"),
            sample("0.5", "Energy.Reactive.Import.Register", unit="kvarh"),
            sample("-3.5", "Temperature", unit="Celsius"),
            sample("1.5", "Power.Offered", unit="kw"),
        ]),
    )  # fmt: skip
    rows = [(row.value, row.unit, row.raw_value, row.raw_unit) for row in site.all(MeterReading)]
    assert rows == [
        (Decimal(8200), "Wh", "8.2", "kWh"), (Decimal(11040), "W", "11.04", "kW"),
        (Decimal(500), "varh", "0.5", "kvarh"), (Decimal("-3.5"), "Celsius", None, None),
        (Decimal(1500), "W", "1.5", "kW"),
    ]  # fmt: skip
    assert (connector(site).meter_wh, connector(site).power_w) == (8200, 11_040)


@pytest.mark.parametrize("unit", ["Wh", "kWh"])
def test_f1_what_is_no_number_is_kept_as_text_and_not_counted(
    site: Site, charger: ChargePoint, unit: str
) -> None:
    nonsense = [
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "1e400",
        "9e99",
        "9" * 30,
        "",
        " ",
        "abc",
        "1,5",
        "0x10",
        "\x00",
        "🔌",
    ]
    id = charger.start()
    tell(charger, element([sample(value, unit=unit) for value in nonsense]), transactionId=id)
    assert site.transaction(id).energy_wh == 0
    rows = site.all(MeterReading)
    assert {row.value for row in rows} == {None}
    assert [row.raw_value for row in rows] == [value.replace("\x00", "\ufffd") for value in nonsense]
    charger.meter(100, id)
    assert site.transaction(id).energy_wh == 100


def test_f1_the_largest_number_that_is_one(site: Site, charger: ChargePoint) -> None:
    tell(
        charger, element([sample("999999999999.5", unit="kWh"), sample("-999999999999999", "Current.Import")])
    )
    assert [row.value for row in site.all(MeterReading)] == [999_999_999_999_500, -999_999_999_999_999]


def test_f1_signed_data_are_opaque(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    signed = sample("12345", format="SignedData", unit="kWh")
    tell(charger, element([signed, sample(700)]), transactionId=id)
    rows = site.all(MeterReading)
    assert [(row.value, row.raw_value, row.format, row.unit) for row in rows] == [
        (None, "12345", "SignedData", "kWh"), (Decimal(700), None, "Raw", "Wh"),
    ]  # fmt: skip
    assert site.transaction(id).energy_wh == 700


def test_f1_phases_stay_apart_and_their_power_is_summed(site: Site, charger: ChargePoint) -> None:
    phases = [sample(1000 * n, POWER, phase=f"L{n}") for n in (1, 2, 3)]
    tell(charger, element([*phases, sample(230, "Voltage", phase="L1-N", unit="V")]))
    assert [row.phase for row in site.all(MeterReading)] == ["L1", "L2", "L3", "L1-N"]
    assert connector(site).power_w == 6000
    tell(charger, element([phases[0], sample(6100, POWER), *phases[1:]]))
    assert connector(site).power_w == 6100, "a total that is told counts"


def test_f1_a_register_that_is_told_by_phase_only_counts(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    tell(charger, element([sample(100, phase="L1"), sample(200, phase="L2")]), transactionId=id)
    assert site.transaction(id).energy_wh == 300


def test_f1_the_outlets_register_counts_not_another_places(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    tell(charger, element([sample(100), sample(9000, location="Inlet")]), transactionId=id)
    assert site.transaction(id).energy_wh == 100
    tell(charger, element([sample(9000, location="Inlet"), sample(200, location="Outlet")]), transactionId=id)
    assert site.transaction(id).energy_wh == 200


def test_f1_a_thousand_samples_in_one_message(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    elements = [element([sample(n), sample(n, POWER)], ago(seconds=600 - n)) for n in range(500)]
    tell(charger, *elements, transactionId=id)
    assert len(site.all(MeterReading)) == 1000
    assert site.transaction(id).energy_wh == 499


def test_f1_the_newest_of_a_message_counts_whatever_its_order(site: Site, charger: ChargePoint) -> None:
    id = charger.start()
    tell(
        charger,
        element([sample(300)], ago(minutes=1)),
        element([sample(200)], ago(minutes=2)),
        transactionId=id,
    )
    assert site.transaction(id).energy_wh == connector(site).meter_wh == 300
    tell(charger, element([sample(50, "SoC")]), element([sample(400)], ago(seconds=30)), transactionId=id)
    assert site.transaction(id).energy_wh == connector(site).meter_wh == 400
    assert site.transaction(id).flags == ""


def test_f1_a_meter_that_runs_backwards_is_flagged_and_takes_nothing_back(
    site: Site, charger: ChargePoint
) -> None:
    account = site.tag("CAFE")
    id = charger.start(meterStart=1000)
    for value in (1500, 1400, 900, -1, 1499):
        charger.meter(value, id)
        assert site.spent(account) == site.transaction(id).energy_wh == 500
    assert site.transaction(id).flags == "meter_backwards"
    charger.meter(1700, id)
    assert site.spent(account) == 700


def test_f2_what_is_shown_is_the_newest_not_the_last_to_arrive(site: Site, charger: ChargePoint) -> None:
    tell(charger, element([sample(500), sample(7000, POWER)], ago(minutes=1)))
    tell(charger, element([sample(100), sample(11_000, POWER)], ago(days=3)))
    tell(charger, element([sample(6500, POWER)], ago(seconds=30)))
    assert (connector(site).meter_wh, connector(site).power_w) == (500, 6500)
    assert len(site.all(MeterReading)) == 5


def test_f2_nothing_flows_after_the_stop_whatever_the_chargers_clock(
    site: Site, charger: ChargePoint
) -> None:
    for timestamp in (ago(hours=-6), ago(hours=6), "9999-12-31T00:00:00Z", "1970-01-01T00:00:00Z", None):
        id = charger.start(timestamp=timestamp)
        tell(charger, element([sample(50), sample(7000, POWER)], timestamp), transactionId=id)
        charger.stop(id, 100, timestamp=timestamp)
        assert (connector(site).meter_wh, connector(site).power_w) == (100, 0)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT value FROM meter_reading WHERE charger_id = 1 AND connector_id = 1 ORDER BY at DESC LIMIT 1",
        "SELECT min(value), max(value) FROM meter_reading WHERE charger_id = 1 AND at >= :day AND at < :next",
        """SELECT at, value FROM meter_reading
           WHERE charger_id = 1 AND transaction_id = 1 AND at > :day AND at < :next""",
    ],
    ids=["last value", "energy per day", "power curve"],
)
def test_f2_readings_are_found_by_index(site: Site, charger: ChargePoint, question: str) -> None:
    elements = [element([sample(n)], ago(minutes=2000 - n)) for n in range(2000)]
    for _ in range(3):
        tell(charger, *elements)
    sqlite = site.engine.dialect.name == "sqlite"
    with site.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        plan = connection.execute(
            text(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + question),
            {"day": utcnow() - timedelta(hours=3), "next": utcnow() - timedelta(hours=2)},
        )
        assert "ix_meter_reading_charger_at" in str(plan.all())


def test_f2_a_clock_that_is_behind_shows_what_flows(site: Site, charger: ChargePoint) -> None:
    for _ in range(2):  # local time without a zone, as in Mexico
        id = charger.start(timestamp=ago(hours=6))
        tell(charger, element([sample(50), sample(7000, POWER)], ago(hours=6)), transactionId=id)
        assert connector(site).power_w == 7000
        site.close(id)
        assert connector(site).power_w == 0


def test_f1_incomplete_and_odd_meter_values_are_served(site: Site, charger: ChargePoint) -> None:
    asked: list[Any] = [
        {}, None, {"connectorId": 1}, {"connectorId": 1, "meterValue": []},
        {"meterValue": {"sampledValue": []}},
        {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": 5}]}]},
        {"connectorId": 10**30, "meterValue": [element([sample(5)])]},
        {"connectorId": -1, "meterValue": [element([sample(5)])]},
        {"connectorId": 1, "meterValue": [element([sample(5, "My.Measurand", unit="bananas", phase="L9")])]},
        {"connectorId": 1, "meterValue": [element([sample("x" * 10_000)])]},
    ]  # fmt: skip
    for payload in asked:
        assert charger.ask("MeterValues", payload) == {}
    assert {row.value for row in site.all(MeterReading)} == {Decimal(5), None}
