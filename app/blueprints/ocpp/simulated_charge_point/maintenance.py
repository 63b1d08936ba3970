"""Firmware, diagnostics and logs: work that reports as it goes (OCPP 1.6, 4.4 and 4.5; whitepaper 5)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ocpp.routing import on
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action, FirmwareStatus, LogStatus, UpdateFirmwareStatus

from .certificates import is_certificate
from .clock import parse_time
from .commands import Commands
from .connectors import Job

FETCHED = (FirmwareStatus.downloading, FirmwareStatus.downloaded)
INSTALLED = (FirmwareStatus.installing, FirmwareStatus.installed)
# A step of the work takes as long as a meter interval, but never longer than this.
LONGEST_STEP_S = 1.0


class MaintenanceCommands(Commands):
    """Work that the central system orders and then follows by its status notifications.

    Nothing is really fetched or sent; an address that no charge point could use fails as it would there.
    """

    @on(Action.update_firmware)
    def on_update_firmware(
        self, location: str, retrieve_date: str, retries: int | None = None, retry_interval: int | None = None
    ) -> call_result.UpdateFirmware:
        """Fetch and install, once the date has come."""
        usable = is_address(location)
        statuses = (*FETCHED, *INSTALLED) if usable else (FETCHED[0], FirmwareStatus.download_failed)
        self._order(Job("firmware", begins_at=parse_time(retrieve_date)), statuses)
        return call_result.UpdateFirmware()

    @on(Action.signed_update_firmware)
    def on_signed_update_firmware(
        self,
        request_id: int,
        firmware: dict[str, str],
        retries: int | None = None,
        retry_interval: int | None = None,
    ) -> call_result.SignedUpdateFirmware:
        """Fetch, verify and install firmware whose signing certificate can be read."""
        if not is_certificate(firmware["signing_certificate"]):
            return call_result.SignedUpdateFirmware(status=UpdateFirmwareStatus.invalid_certificate)
        begins_at = parse_time(firmware["retrieve_date_time"])
        statuses: tuple[str, ...] = (*FETCHED, FirmwareStatus.signature_verified, *INSTALLED)
        if not is_address(firmware["location"]):
            statuses = (FETCHED[0], FirmwareStatus.download_failed)
        elif not firmware["signature"]:
            statuses = (*FETCHED, FirmwareStatus.invalid_signature)
        replaced = self._order(Job("signed_firmware", request_id, begins_at=begins_at), statuses)
        status = UpdateFirmwareStatus.accepted_canceled if replaced else UpdateFirmwareStatus.accepted
        return call_result.SignedUpdateFirmware(status=status)

    @on(Action.get_diagnostics)
    def on_get_diagnostics(
        self,
        location: str,
        retries: int | None = None,
        retry_interval: int | None = None,
        start_time: str | None = None,
        stop_time: str | None = None,
    ) -> call_result.GetDiagnostics:
        """Upload a diagnostics file."""
        self._order(Job("diagnostics"), ("Uploading", "Uploaded" if is_address(location) else "UploadFailed"))
        return call_result.GetDiagnostics(file_name=self._file_name("diagnostics"))

    @on(Action.get_log)
    def on_get_log(
        self,
        log: dict[str, str],
        log_type: str,
        request_id: int,
        retries: int | None = None,
        retry_interval: int | None = None,
    ) -> call_result.GetLog:
        """Upload a log file; a newer request takes the place of one under way."""
        usable = is_address(log["remote_location"])
        replaced = self._order(
            Job("log", request_id), ("Uploading", "Uploaded" if usable else "UploadFailure")
        )
        return call_result.GetLog(
            status=LogStatus.accepted_canceled if replaced else LogStatus.accepted,
            filename=self._file_name(log_type),
        )

    def _file_name(self, kind: str) -> str:
        # GetDiagnostics.conf and GetLog.conf: at most 255 characters.
        return f"{self.station.config.charge_point_id[:200]}-{kind}.txt"

    def _order(self, job: Job, statuses: Sequence[str]) -> bool:
        """Begin a job in the place of one of its kind; return whether there was one."""
        previous = self.station.jobs.get(job.kind)
        if previous and previous.task:
            previous.task.cancel()
        self.station.jobs[job.kind] = job
        self.then(self._begin, job, statuses)
        return previous is not None

    def _begin(self, job: Job, statuses: Sequence[str]) -> None:
        job.task = self.station.spawn(self._work(job, statuses))

    async def _work(self, job: Job, statuses: Sequence[str]) -> None:
        """Go through a job's states, telling each."""
        station = self.station
        await asyncio.sleep(max(0.0, (job.begins_at - datetime.now(UTC)).total_seconds()))
        for job.status in statuses:
            await station.report(job_notification(job.kind, job))
            await asyncio.sleep(min(station.config.interval, LONGEST_STEP_S))
        station.firmware_updates += job.status == FirmwareStatus.installed
        if station.jobs.get(job.kind) is job:
            del station.jobs[job.kind]


def is_address(location: str) -> bool:
    """Whether a charge point could fetch from there or send to there."""
    try:
        parts = urlsplit(location)
        return parts.scheme in ("http", "https", "ftp", "ftps", "sftp") and bool(parts.hostname)
    except ValueError:
        return False


def job_notification(kind: str, job: Job | None) -> Any:
    """How work of a kind stands; Idle when there is none."""
    status, request_id = (job.status, job.request_id) if job else ("Idle", None)
    match kind:
        case "firmware":
            return call.FirmwareStatusNotification(status=status)
        case "signed_firmware":
            return call.SignedFirmwareStatusNotification(status=status, request_id=request_id)
        case "diagnostics":
            return call.DiagnosticsStatusNotification(status=status)
        case _:
            return call.LogStatusNotification(status=status, request_id=request_id)
