"""The core profile's commands: start, stop, reset, availability, configuration (OCPP 1.6, chapter 5)."""

from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import (
    Action,
    AvailabilityStatus,
    AvailabilityType,
    ChargingProfilePurposeType,
    ClearCacheStatus,
    ConfigurationStatus,
    DataTransferStatus,
    Reason,
    RemoteStartStopStatus,
    ResetStatus,
    ResetType,
    UnlockStatus,
)

from .charging import begin_remotely
from .commands import Commands
from .smart_charging import Profile


class CoreCommands(Commands):
    """What every charge point can be told."""

    @on(Action.remote_start_transaction)
    def on_remote_start_transaction(
        self, id_tag: str, connector_id: int | None = None, charging_profile: Profile | None = None
    ) -> call_result.RemoteStartTransaction:
        """Start a charge, on the connector named or on any that is free for the tag."""
        outlet = self.station.outlet_for(id_tag, connector_id)
        purpose = charging_profile and charging_profile["charging_profile_purpose"]
        # 5.11: the profile that comes with a start is a TxProfile.
        if (
            not outlet
            or not self.station.registered
            or purpose not in (None, ChargingProfilePurposeType.tx_profile)
        ):
            return call_result.RemoteStartTransaction(status=RemoteStartStopStatus.rejected)
        self.then(begin_remotely, self.station, outlet.number, id_tag, charging_profile)
        return call_result.RemoteStartTransaction(status=RemoteStartStopStatus.accepted)

    @on(Action.remote_stop_transaction)
    def on_remote_stop_transaction(self, transaction_id: int) -> call_result.RemoteStopTransaction:
        """End the charge of that transaction."""
        for charge in self.station.charges:
            if charge.transaction_id == transaction_id and not charge.ended.is_set():
                self.then(charge.end, Reason.remote)
                return call_result.RemoteStopTransaction(status=RemoteStartStopStatus.accepted)
        return call_result.RemoteStopTransaction(status=RemoteStartStopStatus.rejected)

    @on(Action.reset)
    def on_reset(self, type: str) -> call_result.Reset:
        """End every charge, hang up, and boot again."""
        reason = Reason.hard_reset if type == ResetType.hard else Reason.soft_reset
        self.then(self.station.restart, reason)
        return call_result.Reset(status=ResetStatus.accepted)

    @on(Action.unlock_connector)
    def on_unlock_connector(self, connector_id: int) -> call_result.UnlockConnector:
        """Let the cable go; a charge on it ends first (5.18)."""
        outlet = self.outlet(connector_id)
        if outlet is None:
            return call_result.UnlockConnector(status=UnlockStatus.not_supported)
        if outlet.charge:
            self.then(outlet.charge.end, Reason.unlock_command)
        return call_result.UnlockConnector(status=UnlockStatus.unlocked)

    @on(Action.change_availability)
    def on_change_availability(self, connector_id: int, type: str) -> call_result.ChangeAvailability:
        """Take a connector, or with 0 all of them, in or out of service; a charge is waited for (5.2)."""
        connectors = self.station.connectors
        if connector_id not in connectors:
            return call_result.ChangeAvailability(status=AvailabilityStatus.rejected)
        affected = [connectors[connector_id]] if connector_id else list(connectors.values())
        for connector in affected:
            connector.operative = type == AvailabilityType.operative
            if not connector.operative:
                connector.reservation = None
            self.then_run(self.station.settle, connector)
        scheduled = any(connector.charge for connector in affected)
        return call_result.ChangeAvailability(
            status=AvailabilityStatus.scheduled if scheduled else AvailabilityStatus.accepted
        )

    @on(Action.get_configuration)
    def on_get_configuration(self, key: list[str] | None = None) -> call_result.GetConfiguration:
        """Tell the keys asked for, or all."""
        known, unknown = self.station.configuration.listing(key or [])
        return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown)

    @on(Action.change_configuration)
    def on_change_configuration(self, key: str, value: str) -> call_result.ChangeConfiguration:
        """Change a key that may be changed; a new heartbeat interval holds at once."""
        status = self.station.configuration.change(key, value)
        if status == ConfigurationStatus.accepted:
            self.station.heartbeat_changed.set()
        return call_result.ChangeConfiguration(status=status)

    @on(Action.clear_cache)
    def on_clear_cache(self) -> call_result.ClearCache:
        """Forget what the central system said about id tags."""
        self.station.cache.clear()
        return call_result.ClearCache(status=ClearCacheStatus.accepted)

    @on(Action.data_transfer)
    def on_data_transfer(
        self, vendor_id: str, message_id: str | None = None, data: str | None = None
    ) -> call_result.DataTransfer:
        """No vendor has taught this charge point anything."""
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)
