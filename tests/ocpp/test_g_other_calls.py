"""G of the specification, over a real socket: DataTransfer, jobs, security extension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.blueprints.ocpp.services import vendors
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.drivers import ago, ask
from tests.ocpp.rules import Site
from tests.servers import RunningServer

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def cid() -> str:
    return new_id()


@pytest.fixture
def charger(server: RunningServer, connect: Connect, cid: str) -> ChargePoint:
    return connect(server, f"/{cid}")


def column(rows: Rows, cid: str, name: str) -> Any:
    return rows(f"SELECT {name} FROM charger WHERE charger_id = ?", cid)[0][name]


def test_g1_tc_064_an_unknown_vendor(charger: ChargePoint) -> None:
    for told in (
        {"vendorId": "com.acme"}, {"vendorId": "com.acme", "messageId": "Hello", "data": "x" * 10_000},
        {"vendorId": "com.acme", "data": {"an": ["object"]}}, {"vendorId": "\x00🔌" * 200}, {},
    ):  # fmt: skip
        assert ask(charger, "DataTransfer", told) == {"status": "UnknownVendorId"}


def test_g1_handlers_register_per_vendor_and_message(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors, "_handlers", {})
    vendors.register("com.acme", "Echo")(lambda _work, _charger, data: ("Accepted", str(data)))
    vendors.register("com.acme", "No")(lambda _work, _charger, _data: ("Rejected", None))
    vendors.register("org.any")(lambda _work, charger, _data: ("Accepted", charger.charger_id))
    charger = site.charger("CP1")

    def ask(vendor: str, message: str | None, data: Any = "d") -> dict[str, Any]:
        return charger.ask("DataTransfer", {"vendorId": vendor, "messageId": message, "data": data})

    assert ask("com.acme", "Echo") == {"status": "Accepted", "data": "d"}
    assert ask("com.acme", "Echo", {"a": [1]}) == {"status": "Accepted", "data": "{'a': [1]}"}
    assert ask("com.acme", "No") == {"status": "Rejected"}
    assert ask("com.acme", "Else") == ask("com.acme", None) == {"status": "UnknownMessageId"}
    assert ask("org.any", "Whatever") == {"status": "Accepted", "data": "CP1"}
    assert ask("com.other", "Echo") == {"status": "UnknownVendorId"}


def test_g1_a_handler_that_fails_costs_only_its_message(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(vendors, "_handlers", {"com.acme": {"": fail}})
    charger = site.charger("CP1")
    answer = charger.exchange("DataTransfer", {"vendorId": "com.acme"})
    assert answer[2] == "InternalError"
    assert "secret" not in str(answer)
    assert charger.ask("Heartbeat")


def test_g2_tc_044_firmware_status_is_stored_and_shown(charger: ChargePoint, cid: str, rows: Rows) -> None:
    for word in ("Downloading", "Downloaded", "InstallationFailed", "Installing", "Installed", "Idle"):
        assert ask(charger, "FirmwareStatusNotification", {"status": word}) == {}
        assert column(rows, cid, "firmware_status") == word


def test_g2_tc_045_diagnostics_status_is_stored_and_shown(charger: ChargePoint, cid: str, rows: Rows) -> None:
    for word in ("Uploading", "UploadFailed", "Uploaded", "Idle"):
        assert ask(charger, "DiagnosticsStatusNotification", {"status": word}) == {}
        assert column(rows, cid, "diagnostics_status") == word


def test_g2_odd_statuses_are_served(charger: ChargePoint, cid: str, rows: Rows) -> None:
    for told in ({}, {"status": None}, {"status": "x" * 5000}, {"status": "a\x00b🔌"}, {"status": 5}):
        assert ask(charger, "FirmwareStatusNotification", told) == {}
        assert ask(charger, "DiagnosticsStatusNotification", told) == {}
    assert column(rows, cid, "firmware_status") == "5"


def test_g3_tc_079_log_status(charger: ChargePoint, cid: str, rows: Rows) -> None:
    assert ask(charger, "LogStatusNotification", {"status": "Uploaded", "requestId": 7}) == {}
    assert column(rows, cid, "diagnostics_status") == "Uploaded"


def test_g3_tc_080_signed_firmware_status(charger: ChargePoint, cid: str, rows: Rows) -> None:
    assert (
        ask(charger, "SignedFirmwareStatusNotification", {"status": "SignatureVerified", "requestId": 7})
        == {}
    )
    assert column(rows, cid, "firmware_status") == "SignatureVerified"


def test_g3_tc_077_a_security_event_is_on_record(charger: ChargePoint, cid: str, rows: Rows) -> None:
    told = {"type": "InvalidChargePointCertificate", "timestamp": ago(), "techInfo": "t" * 300}
    assert ask(charger, "SecurityEventNotification", told) == {}
    sql = """SELECT request FROM ocpp_message m JOIN charger c ON c.id = m.charger_id
             WHERE c.charger_id = ? AND action = 'SecurityEventNotification'"""
    (row,) = rows(sql, cid)
    assert "InvalidChargePointCertificate" in row["request"]


def test_g3_tc_074_a_certificate_request_is_answered(charger: ChargePoint) -> None:
    assert ask(charger, "SignCertificate", {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}) == {
        "status": "Rejected"
    }
    assert ask(charger, "SignCertificate", {}) == {"status": "Rejected"}
