"""OCPP 1.6: one small handler per message. Payload in, one service call, payload out.

Handlers run inside the journal's transaction and are answered after its commit. In lenient mode a field that
the standard requires may be None.
"""

from __future__ import annotations

from typing import Any

from ocpp.routing import on
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action, DataTransferStatus, GenericStatus

from app.blueprints.ocpp import wire
from app.blueprints.ocpp.rows import ChargerRow
from app.blueprints.ocpp.services import authorization, metering, status, transactions, vendors
from app.blueprints.ocpp.services.authorization import Verdict
from app.blueprints.ocpp.services.moments import read_moment
from app.blueprints.ocpp.work import Work
from app.clock import utcnow

MAX_WH = 2**53
MAX_CONNECTOR = 2**31 - 1


@on(Action.boot_notification)
def on_boot_notification(
    work: Work, charger: ChargerRow, request: call.BootNotification
) -> call_result.BootNotification:
    """OCPP 1.6, 4.2."""
    told = {
        "vendor": request.charge_point_vendor or "",
        "model": request.charge_point_model or "",
        "serial_number": request.charge_point_serial_number or request.charge_box_serial_number or "",
        "firmware_version": request.firmware_version or "",
    }
    registration = status.boot(work, charger, wire.dumps(_told(request)), told)
    return call_result.BootNotification(_iso_now(), work.settings.heartbeat_interval_s, registration)


@on(Action.heartbeat)
def on_heartbeat(work: Work, charger: ChargerRow, request: call.Heartbeat) -> call_result.Heartbeat:
    """OCPP 1.6, 4.6."""
    work.heartbeat(charger)
    return call_result.Heartbeat(_iso_now())


@on(Action.status_notification)
def on_status_notification(
    work: Work, charger: ChargerRow, request: call.StatusNotification
) -> call_result.StatusNotification:
    """OCPP 1.6, 4.9."""
    status.notify(
        work, charger, request.connector_id, status=request.status or "", error_code=request.error_code or "",
        timestamp=request.timestamp, info=request.info or "", vendor_id=request.vendor_id or "",
        vendor_error_code=request.vendor_error_code or "",
    )  # fmt: skip
    return call_result.StatusNotification()


@on(Action.authorize)
def on_authorize(work: Work, charger: ChargerRow, request: call.Authorize) -> call_result.Authorize:
    """OCPP 1.6, 4.1."""
    id_tag = authorization.normalized(request.id_tag)
    verdict = authorization.decide(work, charger, id_tag)
    authorization.remember(work, charger, id_tag, "Authorize", verdict)
    return call_result.Authorize(id_tag_info(verdict))


@on(Action.start_transaction)
def on_start_transaction(
    work: Work, charger: ChargerRow, request: call.StartTransaction
) -> call_result.StartTransaction:
    """OCPP 1.6, 4.8: always an id, also when refused."""
    connector_id, odd = _connector(request.connector_id)
    meter_start_wh = _energy(request.meter_start)
    flags = " ".join(filter(None, (odd, "no_meter_start" if meter_start_wh is None else "")))
    transaction, verdict = transactions.start(
        work, charger, connector_id=connector_id, id_tag=authorization.normalized(request.id_tag),
        meter_start_wh=meter_start_wh or 0, started_at=read_moment(request.timestamp, work.now), flags=flags,
    )  # fmt: skip
    return call_result.StartTransaction(transaction.id, id_tag_info(verdict))


@on(Action.meter_values)
def on_meter_values(work: Work, charger: ChargerRow, request: call.MeterValues) -> call_result.MeterValues:
    """OCPP 1.6, 4.7."""
    connector_id, _odd = _connector(request.connector_id)
    work.meter_values(charger, wire.dumps(_told(request)))
    transactions.meter(
        work, charger, connector_id=connector_id, transaction_id=request.transaction_id,
        meter_values=request.meter_value or [],
    )  # fmt: skip
    return call_result.MeterValues()


@on(Action.stop_transaction)
def on_stop_transaction(
    work: Work, charger: ChargerRow, request: call.StopTransaction
) -> call_result.StopTransaction:
    """OCPP 1.6, 4.10: always a CALLRESULT, whatever it claims."""
    stop = transactions.Stop(
        transaction_id=request.transaction_id,
        meter_stop_wh=_energy(request.meter_stop),
        stopped_at=read_moment(request.timestamp, work.now),
        id_tag=authorization.normalized(request.id_tag),
        reason=request.reason or "Local",
        readings=request.transaction_data or [],
        claimed=_told(request).get("transactionId"),
        payload_json=wire.dumps(_told(request)),
    )
    verdict = transactions.stop(work, charger, stop)
    return call_result.StopTransaction(id_tag_info(verdict) if verdict else None)


@on(Action.data_transfer)
def on_data_transfer(work: Work, charger: ChargerRow, request: call.DataTransfer) -> call_result.DataTransfer:
    """OCPP 1.6, 4.3."""
    told = _told(request).get("data")  # a string by the standard, but vendors send objects too
    answer, data = vendors.receive(work, charger, request.vendor_id or "", request.message_id or "", told)
    return call_result.DataTransfer(DataTransferStatus(answer), data)


@on(Action.firmware_status_notification)
def on_firmware_status(
    work: Work, charger: ChargerRow, request: call.FirmwareStatusNotification
) -> call_result.FirmwareStatusNotification:
    """OCPP 1.6, 4.5."""
    status.firmware(work, charger, request.status or "")
    return call_result.FirmwareStatusNotification()


@on(Action.diagnostics_status_notification)
def on_diagnostics_status(
    work: Work, charger: ChargerRow, request: call.DiagnosticsStatusNotification
) -> call_result.DiagnosticsStatusNotification:
    """OCPP 1.6, 4.4."""
    status.diagnostics(work, charger, request.status or "")
    return call_result.DiagnosticsStatusNotification()


@on(Action.log_status_notification)
def on_log_status(
    work: Work, charger: ChargerRow, request: call.LogStatusNotification
) -> call_result.LogStatusNotification:
    """Security whitepaper, 5.12."""
    status.diagnostics(work, charger, request.status or "")
    return call_result.LogStatusNotification()


@on(Action.signed_firmware_status_notification)
def on_signed_firmware_status(
    work: Work, charger: ChargerRow, request: call.SignedFirmwareStatusNotification
) -> call_result.SignedFirmwareStatusNotification:
    """Security whitepaper, 5.18."""
    status.firmware(work, charger, request.status or "")
    return call_result.SignedFirmwareStatusNotification()


@on(Action.security_event_notification)
def on_security_event(
    work: Work, charger: ChargerRow, request: call.SecurityEventNotification
) -> call_result.SecurityEventNotification:
    """Security whitepaper, 5.16: the message log keeps it, staff read it there."""
    return call_result.SecurityEventNotification()


@on(Action.sign_certificate)
def on_sign_certificate(
    work: Work, charger: ChargerRow, request: call.SignCertificate
) -> call_result.SignCertificate:
    """Security whitepaper, 5.17: no certificate authority is set up here."""
    return call_result.SignCertificate(GenericStatus.rejected)


def id_tag_info(verdict: Verdict) -> dict[str, str]:
    """IdTagInfo (OCPP 1.6, 7.27); expiry and parent where they are set."""
    info = {}
    if verdict.expires_at is not None:
        info["expiryDate"] = verdict.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if verdict.parent:
        info["parentIdTag"] = verdict.parent
    info["status"] = verdict.status
    return info


def _iso_now() -> str:
    return utcnow().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _connector(number: int | None) -> tuple[int, str]:
    """A connector number that the database holds, and a flag's word when the charger's was odd."""
    if number is None:
        return 1, "no_connector"
    if not 0 <= number <= MAX_CONNECTOR:
        return 0, "odd_connector"
    return number, "odd_connector" if number > metering.MAX_CONNECTOR_ID or number == 0 else ""


def _energy(value: int | float | None) -> int | None:
    return None if value is None or abs(value) > MAX_WH else round(value)


def _told(request: Any) -> dict[str, Any]:
    """The request as the charger worded it."""
    told: dict[str, Any] = request.told
    return told
