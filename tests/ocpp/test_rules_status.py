"""What a charger tells of itself (C3, C4), as rules, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.blueprints.ocpp.models import Charger, Connector
from app.clock import utcnow
from tests.databases import both_databases
from tests.ocpp.rules import ChargePoint, Clock, Site, iso

pytestmark = both_databases


@pytest.fixture
def charger(site: Site) -> ChargePoint:
    """One where anyone may charge."""
    return site.charger()


def ago(**span: float) -> str:
    return iso(utcnow() - timedelta(**span))


def connector(site: Site) -> Connector:
    return site.one(Connector, connector_id=1)


def status(charger: ChargePoint, word: str, at: str | None = None, **fields: Any) -> None:
    told = {"connectorId": 1, "status": word, "errorCode": "NoError"} | ({"timestamp": at} if at else {})
    charger.ask("StatusNotification", told | fields)


def test_c4_an_older_status_never_overwrites_a_newer(site: Site, charger: ChargePoint) -> None:
    status(charger, "Charging", ago(minutes=5))
    status(charger, "Available", ago(minutes=6))
    assert connector(site).status == "Charging"
    status(charger, "Finishing", ago(minutes=4))
    status(charger, "Available")
    status(charger, "Preparing", ago(minutes=1))
    assert connector(site).status == "Available", "without a time it is of now"


def test_c4_two_of_the_same_moment_the_later_to_arrive_counts(site: Site, charger: ChargePoint) -> None:
    at = ago(minutes=5)
    status(charger, "Preparing", at)
    status(charger, "Charging", at)
    assert connector(site).status == "Charging"


def test_c4_a_clock_that_was_ahead_does_not_freeze_the_status(
    site: Site, charger: ChargePoint, clock: Clock
) -> None:
    for ahead in (ago(hours=-6), "9999-12-31T23:59:59Z"):
        status(charger, "Charging", ahead)
        clock.advance(minutes=1)
        status(charger, "Available", iso(clock()))
        assert connector(site).status == "Available"


def test_c4_everything_told_is_kept(site: Site, charger: ChargePoint) -> None:
    told = {"errorCode": "OtherError", "info": "i" * 300, "vendorId": "Acme", "vendorErrorCode": "E\x00-7🔌"}
    status(charger, "Faulted", **told)
    row = connector(site)
    assert (row.status, row.error_code, row.info, row.vendor_id) == (
        "Faulted",
        "OtherError",
        "i" * 300,
        "Acme",
    )
    assert row.vendor_error_code == "E\ufffd-7🔌"


def test_c4_made_up_connectors_get_no_row(site: Site, charger: ChargePoint) -> None:
    for number in (0, 1, 255, 256, 1_600_000_000, 2**31, 10**30, -1, "x", None, 2.0, "3"):
        status(charger, "Available", connectorId=number)
    assert [row.connector_id for row in site.all(Connector)] == [0, 1, 255, 2, 3]


def test_c3_any_message_refreshes_last_seen(site: Site, charger: ChargePoint, clock: Clock) -> None:
    for action, payload in [
        ("Heartbeat", {}),
        ("Authorize", {"idTag": "A"}),
        ("Reset", {}),
        ("Nonsense", {}),
    ]:
        clock.advance(minutes=1)
        before = clock()
        charger.exchange(action, payload)
        assert site.one(Charger, id=charger.id).last_seen >= before
    heartbeat = site.one(Charger, id=charger.id).last_heartbeat
    clock.advance(minutes=1)
    charger.exchange("DataTransfer", {"vendorId": "X"})
    assert site.one(Charger, id=charger.id).last_heartbeat == heartbeat
