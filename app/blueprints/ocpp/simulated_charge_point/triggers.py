"""TriggerMessage and ExtendedTriggerMessage: send a message now (OCPP 1.6, 5.17; whitepaper, 5.3)."""

from typing import Any

from ocpp.routing import on
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action, MessageTrigger, ReadingContext, TriggerMessageStatus

from .certificates import signing_request
from .charging import meter_values
from .commands import Commands
from .connectors import Connector
from .maintenance import job_notification
from .station import status_notification

JOBS = {
    MessageTrigger.firmware_status_notification: "firmware",
    MessageTrigger.diagnostics_status_notification: "diagnostics",
    MessageTrigger.log_status_notification: "log",
}


class TriggerCommands(Commands):
    """The central system asks for a message that the charge point would send on its own."""

    @on(Action.trigger_message)
    def on_trigger_message(
        self, requested_message: str, connector_id: int | None = None
    ) -> call_result.TriggerMessage:
        """Send the core message asked for."""
        status = self._trigger(requested_message, connector_id, is_extended=False)
        return call_result.TriggerMessage(status=status)

    @on(Action.extended_trigger_message)
    def on_extended_trigger_message(
        self, requested_message: str, connector_id: int | None = None
    ) -> call_result.ExtendedTriggerMessage:
        """Send the message asked for, in the security extension's form where it has one."""
        status = self._trigger(requested_message, connector_id, is_extended=True)
        return call_result.ExtendedTriggerMessage(status=status)

    def _trigger(self, message: str, connector_id: int | None, *, is_extended: bool) -> TriggerMessageStatus:
        if connector_id is not None and connector_id not in self.station.connectors:
            return TriggerMessageStatus.rejected
        if message == MessageTrigger.boot_notification:
            self.then_run(self._boot)
        else:
            self.then_run(self._send_all, message, connector_id, is_extended)
        return TriggerMessageStatus.accepted

    async def _boot(self) -> None:
        await self.boot()

    async def _send_all(self, message: str, connector_id: int | None, is_extended: bool) -> None:
        for request in self._requests(message, connector_id, is_extended):
            await self.station.ask(request)

    def _requests(self, message: str, connector_id: int | None, is_extended: bool) -> list[Any]:
        """The messages that a trigger means: one, or one per connector when none is named."""
        connectors = self.station.connectors
        chosen = list(connectors.values()) if connector_id is None else [connectors[connector_id]]
        match message:
            case MessageTrigger.heartbeat:
                return [call.Heartbeat()]
            case MessageTrigger.status_notification:
                return [status_notification(connector) for connector in chosen]
            case MessageTrigger.meter_values:
                return [self._meter_values(connector) for connector in chosen if connector.number]
            case MessageTrigger.sign_charge_point_certificate:
                return [call.SignCertificate(csr=self._signing_request())]
            case _:
                return [self._job_notification(message, is_extended)]

    def _signing_request(self) -> str:
        return signing_request(self.station.config.charge_point_id, self.station.configuration["CpoName"])

    def _meter_values(self, connector: Connector) -> call.MeterValues:
        return meter_values(connector, self.station.configuration, ReadingContext.trigger)

    def _job_notification(self, message: str, is_extended: bool) -> Any:
        """How an upload or a firmware update stands; extended means the signed one (whitepaper, 5.3)."""
        kind = JOBS[message]
        kind = f"signed_{kind}" if is_extended and kind == "firmware" else kind
        return job_notification(kind, self.station.jobs.get(kind))
