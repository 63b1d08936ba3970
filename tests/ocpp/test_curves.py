"""The curve of a session: what it is made of, and that its cost does not grow with what was metered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import insert

from app.blueprints.ocpp.models import MeterReading, Transaction
from app.blueprints.ocpp.services import curves
from app.blueprints.ocpp.services.curves import Point
from app.blueprints.ocpp.services.metering import POWER, REGISTER
from app.blueprints.ocpp.statements import Dialogue
from app.db import UnitOfWork
from tests.databases import both_databases
from tests.factories import ChargerFactory, MeterReadingFactory, TransactionFactory

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def session(minutes: float = 60, **columns: Any) -> Transaction:
    """A session that began at noon and has ended."""
    end = NOON + minutes * MINUTE
    return TransactionFactory(
        **{"started_at": NOON, "stopped_at": end, "meter_start_wh": 1000, "received_at": NOON} | columns
    )


def metered(transaction: Transaction, minute: float, **told: Any) -> None:
    """Power or register, so long after noon."""
    MeterReadingFactory(transaction=transaction, at=NOON + minute * MINUTE, **told)


def curve(
    work: UnitOfWork, transaction: Transaction, now: datetime = NOON + timedelta(days=9)
) -> curves.Curve:
    work.flush()
    return curves.of_session(work, transaction, now)


@both_databases
def test_a_curve_tells_power_and_energy_of_each_moment(work: UnitOfWork) -> None:
    one = session()
    for minute, power, register in ((1, 3000, 1050), (30, 7000, 3000), (60, 0, 6000)):
        metered(one, minute, value=power)
        metered(one, minute, measurand=REGISTER, value=register)
    metered(one, 45, measurand="Temperature", value=30)

    found = curve(work, one)

    assert found.points == [
        Point(NOON + MINUTE, 3000, 50),
        Point(NOON + 30 * MINUTE, 7000, 2000),
        Point(NOON + 60 * MINUTE, 0, 5000),
    ]
    assert not found.reckoned


@both_databases
def test_what_others_met_meanwhile_is_not_in_it(work: UnitOfWork) -> None:
    one = session()
    neighbour = session(charger=one.charger, connector_id=2)
    elsewhere = session()
    metered(one, 10, value=1000)
    for other in (neighbour, elsewhere):
        metered(other, 10, value=9000)
        metered(other, 20, value=9000)
    MeterReadingFactory(transaction=one, transaction_id=None, at=NOON + 5 * MINUTE, value=9000)

    assert [point.power_w for point in curve(work, one).points] == [1000]


@both_databases
def test_phases_are_summed_unless_the_total_is_told(work: UnitOfWork) -> None:
    one = session()
    for phase in ("L1", "L2", "L3"):
        metered(one, 10, value=2000, phase=phase)
    metered(one, 20, value=2000, phase="L1")
    metered(one, 20, value=5500)

    assert [point.power_w for point in curve(work, one).points] == [6000, 5500]


@both_databases
def test_where_a_charger_tells_no_power_its_meter_does(work: UnitOfWork) -> None:
    one = session()
    for minute, register in ((30, 2000), (60, 5000)):
        metered(one, minute, measurand=REGISTER, value=register)

    found = curve(work, one)

    assert [(point.power_w, point.energy_wh) for point in found.points] == [(2000, 1000), (6000, 4000)]
    assert found.reckoned


@pytest.mark.parametrize("value", [None, -5])
def test_nonsense_is_no_energy(work: UnitOfWork, value: int | None) -> None:
    one = session()
    metered(one, 10, measurand=REGISTER, value=value, raw_value="x")
    metered(one, 10)

    (point,) = curve(work, one).points

    assert (point.power_w, point.energy_wh) == (7000, None if value is None else 0)


def test_a_session_without_readings_has_no_points(work: UnitOfWork) -> None:
    assert curve(work, session()).points == []
    assert curve(work, session(stopped_at=NOON - MINUTE)).points == []
    assert curve(work, session(stopped_at=None, started_at=datetime(1970, 1, 2, tzinfo=UTC))).points == []


@both_databases
def test_a_long_session_is_thinned_out_evenly_and_keeps_its_end(work: UnitOfWork) -> None:
    one = session(minutes=2000)
    told = {"charger_id": one.charger_id, "connector_id": 1, "transaction_id": one.id, "measurand": POWER}
    rows = [{**told, "at": NOON + minute * MINUTE, "value": minute} for minute in range(1, 2001)]
    work.execute(insert(MeterReading), rows)

    points = curve(work, one).points

    assert len(points) == curves.POINTS
    assert (points[0].power_w, points[-1].power_w) == (11, 2000)
    steps = {after.at - point.at for point, after in pairwise(points)}
    assert steps == {11 * MINUTE, 12 * MINUTE}


def test_a_running_session_reaches_until_now(work: UnitOfWork) -> None:
    one = session(stopped_at=None)
    for minute in (1, 90):
        metered(one, minute)

    assert len(curve(work, one, NOON + 89 * MINUTE).points) == 2  # the charger's clock is a little ahead
    assert len(curve(work, one, NOON + 60 * MINUTE).points) == 1


def test_a_charger_whose_clock_is_ahead_has_curves_too(work: UnitOfWork) -> None:
    one = session(stopped_at=None, received_at=NOON - timedelta(hours=8))
    metered(one, 30)

    assert len(curve(work, one, NOON - timedelta(hours=7)).points) == 1


@both_databases
def test_a_point_costs_a_bounded_number_of_readings(
    work: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind what its neighbours meter, a session's own readings are given up after EXAMINED of them."""
    monkeypatch.setattr(curves, "EXAMINED", 3)
    monkeypatch.setattr(curves, "POINTS", 1)
    one = session()
    neighbour = session(charger=one.charger, connector_id=2)
    metered(one, 10)
    for minute in (20, 30):
        metered(neighbour, minute)
    assert len(curve(work, one).points) == 1

    metered(neighbour, 40)

    assert curve(work, one).points == []


@both_databases
def test_readings_are_found_by_their_index(work: UnitOfWork) -> None:
    one = session()
    told = {"connector_id": 1, "measurand": POWER, "value": 1}
    others = [charger.id for charger in ChargerFactory.create_batch(10)]
    work.execute(
        insert(MeterReading),
        [
            {**told, "charger_id": charger, "at": NOON + minute * MINUTE}
            for charger in others
            for minute in range(100)
        ],
    )
    db = Dialogue(work.connection())
    if db.sqlite:
        plan = db.all(f"EXPLAIN QUERY PLAN {curves.LAST_OF_EACH_PIECE_SQLITE}", _parameters(one))
    else:
        db.run("ANALYZE meter_reading")
        plan = db.all(f"EXPLAIN {curves.LAST_OF_EACH_PIECE_POSTGRES}", _parameters(one))
    told = "\n".join(str(line) for line in plan)

    assert told.count("ix_meter_reading_charger_at") == 2
    assert "SCAN meter_reading" not in told
    assert "Seq Scan" not in told


def _parameters(one: Transaction) -> tuple[Any, ...]:
    own, measurands = (one.charger_id, one.id), (POWER, REGISTER)
    pieces = '[["2026-01-10 12:00:00", "2026-01-10 13:00:00"]]'
    return (*own, *measurands, one.charger_id, 200, one.id, *measurands, 40, pieces)
