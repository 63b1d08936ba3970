"""Triggers, firmware, uploads and certificates."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from ocpp.v16 import call

from app.blueprints.ocpp.simulator import SimulatorState
from tests.ocpp.central import (
    Central,
    central_system,
    charge_point,
    idle_charge_point,
    in_seconds,
    on_a_loop,
)

# Triggers, firmware, logs


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        *((name, name) for name in ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues")),
        *((name, name) for name in ("FirmwareStatusNotification", "DiagnosticsStatusNotification")),
    ],
)
@on_a_loop
async def test_trigger_message_sends_the_message(message, expected):
    async with idle_charge_point() as central:
        answer = await central.ask(call.TriggerMessage(requested_message=message, connector_id=1))
        assert answer.status == "Accepted"
        await central.heard(expected)
        answer = await central.ask(call.TriggerMessage(requested_message=message, connector_id=9))
        assert answer.status == "Rejected"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        *((name, name) for name in ("BootNotification", "Heartbeat", "StatusNotification", "MeterValues")),
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("SignChargePointCertificate", "SignCertificate"),
    ],
)
@on_a_loop
async def test_extended_trigger_message_sends_the_message(message, expected):
    async with idle_charge_point() as central:
        answer = await central.ask(call.ExtendedTriggerMessage(requested_message=message))
        assert answer.status == "Accepted"
        payload = await central.heard(expected)
        if expected == "SignCertificate":
            assert x509.load_pem_x509_csr(payload["csr"].encode()).is_signature_valid


@on_a_loop
async def test_a_triggered_boot_ends_pending():
    async with central_system() as central:
        central.registrations = ["Pending"]
        async with charge_point(central, autostart=False) as simulator:
            await central.heard("BootNotification")
            start = await central.ask(call.RemoteStartTransaction(id_tag="A"))
            assert start.status == "Rejected"
            await central.ask(call.TriggerMessage(requested_message="BootNotification"))
            await central.heard("StatusNotification")
            assert simulator.state == SimulatorState.available


async def told(central: Central, action: str, last: str) -> list[str]:
    await central.heard(action, status=last)
    return [payload["status"] for payload in central.all(action)]


@on_a_loop
async def test_update_firmware_tells_its_progress():
    async with idle_charge_point() as central:
        await central.ask(
            call.UpdateFirmware(location="ftp://files.example/fw.bin", retrieve_date=in_seconds(0.2))
        )
        await central.ask(call.TriggerMessage(requested_message="FirmwareStatusNotification"))
        action = "FirmwareStatusNotification"
        steps = ["Idle", "Downloading", "Downloaded", "Installing", "Installed"]
        assert await told(central, action, "Installed") == steps
        await central.ask(call.UpdateFirmware(location="nowhere", retrieve_date=in_seconds(0)))
        assert await told(central, action, "DownloadFailed") == [*steps, "Downloading", "DownloadFailed"]


@on_a_loop
async def test_signed_update_firmware_verifies_first():
    async with idle_charge_point() as central:
        firmware = {
            "location": "https://files.example/fw.bin",
            "retrieve_date_time": in_seconds(0),
            "signing_certificate": certificate(),
            "signature": "c2lnbmVk",
        }
        answer = await central.ask(call.SignedUpdateFirmware(request_id=7, firmware=firmware))
        again = await central.ask(call.SignedUpdateFirmware(request_id=8, firmware=firmware))
        bad = await central.ask(
            call.SignedUpdateFirmware(request_id=9, firmware={**firmware, "signing_certificate": "x"})
        )
        assert (answer.status, again.status, bad.status) == (
            "Accepted",
            "AcceptedCanceled",
            "InvalidCertificate",
        )
        done = await central.heard("SignedFirmwareStatusNotification", status="Installed")
        steps = [one["status"] for one in central.all("SignedFirmwareStatusNotification", request_id=8)]

    assert done["request_id"] == 8
    assert steps == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]


@on_a_loop
async def test_get_diagnostics_uploads():
    async with idle_charge_point() as central:
        answer = await central.ask(call.GetDiagnostics(location="ftp://files.example/in/"))
        assert answer.file_name == "SIM1-diagnostics.txt"
        steps = await told(central, "DiagnosticsStatusNotification", "Uploaded")
        assert steps == ["Uploading", "Uploaded"]
        await central.ask(call.GetDiagnostics(location="ftp://"))
        await told(central, "DiagnosticsStatusNotification", "UploadFailed")


@on_a_loop
async def test_get_log_uploads_and_gives_way_to_a_newer_request():
    async with idle_charge_point() as central:
        log = {"remote_location": "https://files.example/in/"}
        first = await central.ask(call.GetLog(log=log, log_type="SecurityLog", request_id=1))
        second = await central.ask(call.GetLog(log=log, log_type="DiagnosticsLog", request_id=2))
        await central.heard("LogStatusNotification", status="Uploaded", request_id=2)

    assert (first.status, second.status) == ("Accepted", "AcceptedCanceled")
    assert second.filename == "SIM1-DiagnosticsLog.txt"
    assert not central.all("LogStatusNotification", status="Uploaded", request_id=1)


# Certificates


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test root")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@on_a_loop
async def test_certificates_are_installed_listed_and_deleted():
    use = "CentralSystemRootCertificate"
    async with idle_charge_point() as central:
        listing = call.GetInstalledCertificateIds(certificate_type=use)
        assert (await central.ask(listing)).status == "NotFound"
        request = call.InstallCertificate(certificate_type=use, certificate=certificate())
        assert (await central.ask(request)).status == "Accepted"
        assert (await central.ask(request)).status == "Accepted"  # the same again is one
        found = (await central.ask(listing)).certificate_hash_data
        assert len(found) == 1
        other = call.GetInstalledCertificateIds(certificate_type="ManufacturerRootCertificate")
        assert (await central.ask(other)).status == "NotFound"
        deletion = call.DeleteCertificate(certificate_hash_data=found[0])
        assert (await central.ask(deletion)).status == "Accepted"
        assert (await central.ask(deletion)).status == "NotFound"


@on_a_loop
async def test_what_is_no_certificate_is_refused():
    async with idle_charge_point() as central:
        use = "ManufacturerRootCertificate"
        bad = call.InstallCertificate(certificate_type=use, certificate="no PEM")
        assert (await central.ask(bad)).status == "Rejected"
        assert (await central.ask(call.CertificateSigned(certificate_chain="no PEM"))).status == "Rejected"
        assert (
            await central.ask(call.CertificateSigned(certificate_chain=certificate()))
        ).status == "Accepted"
        for _ in range(10):
            await central.ask(call.InstallCertificate(certificate_type=use, certificate=certificate()))
        full = call.InstallCertificate(certificate_type=use, certificate=certificate())
        assert (await central.ask(full)).status == "Failed"
