"""What a charger tells of itself: boot, status of its connectors, firmware and diagnostics jobs."""

from __future__ import annotations

from typing import Any

from app.blueprints.ocpp.rows import ChargerRow
from app.blueprints.ocpp.services.metering import MAX_CONNECTOR_ID
from app.blueprints.ocpp.services.moments import credible, read_moment
from app.blueprints.ocpp.work import Work


def boot(work: Work, charger: ChargerRow, payload_json: str, told: dict[str, Any]) -> str:
    """Keep what Boot told, whole; return the charger's registration status (OCPP 1.6, 7.37)."""
    work.put(
        "boot",
        charger.id,
        (
            payload_json, told["vendor"], told["model"], told["serial_number"], told["firmware_version"],
            work.stored_now, charger.id,
        ),
    )  # fmt: skip
    work.changed(charger.charger_id)
    return charger.registration_status


def notify(
    work: Work, charger: ChargerRow, connector_id: int | None, *, status: str, error_code: str,
    timestamp: Any, info: str = "", vendor_id: str = "", vendor_error_code: str = "",
) -> bool:  # fmt: skip
    """Keep a connector's status unless a newer one is known. False: no connector can have this number."""
    if connector_id is None or not 0 <= connector_id <= MAX_CONNECTOR_ID:
        return False
    since = work.db.stored(credible(read_moment(timestamp, work.now), work.now))
    key = (charger.id, connector_id)
    found = work.put_found("status", key)
    if found is None or found[7] <= since:
        work.put(
            "status",
            key,
            (
                *key,
                status[:40],
                error_code[:60],
                info[:2000],
                vendor_id[:2000],
                vendor_error_code[:2000],
                since,
            ),
        )
    work.changed(charger.charger_id)
    return True


def firmware(work: Work, charger: ChargerRow, status: str) -> None:
    """The state of a firmware job."""
    work.put("firmware", charger.id, (status[:40], charger.id))
    work.changed(charger.charger_id)


def diagnostics(work: Work, charger: ChargerRow, status: str) -> None:
    """The state of a diagnostics or log upload."""
    work.put("diagnostics", charger.id, (status[:40], charger.id))
    work.changed(charger.charger_id)
