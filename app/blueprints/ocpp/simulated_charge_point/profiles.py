"""The commands of three feature profiles: local list, reservations, smart charging (OCPP 1.6, chapter 5)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from ocpp.routing import on
from ocpp.v16 import call_result
from ocpp.v16.enums import (
    Action,
    CancelReservationStatus,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    GetCompositeScheduleStatus,
    ReservationStatus,
    UpdateStatus,
    UpdateType,
)
from ocpp.v16.enums import ChargingProfilePurposeType as Purpose

from .clock import parse_time, timestamp
from .commands import Commands
from .connectors import Connector, Reservation
from .smart_charging import InstalledProfile, Profile, composite_schedule, problem


class ProfileCommands(Commands):
    """What the central system lets the charge point keep."""

    @on(Action.get_local_list_version)
    def on_get_local_list_version(self) -> call_result.GetLocalListVersion:
        """Tell the version; 0 is an empty list, -1 none at all (5.10)."""
        if not self.station.configuration.is_on("LocalAuthListEnabled"):
            return call_result.GetLocalListVersion(list_version=-1)
        version = self.station.local_list_version if self.station.local_list else 0
        return call_result.GetLocalListVersion(list_version=version)

    @on(Action.send_local_list)
    def on_send_local_list(
        self,
        list_version: int,
        update_type: str,
        local_authorization_list: list[dict[str, Any]] | None = None,
    ) -> call_result.SendLocalList:
        """Replace or amend the list of id tags that may charge without asking."""
        status = self._update_list(list_version, update_type, local_authorization_list or [])
        return call_result.SendLocalList(status=status)

    def _update_list(self, version: int, update_type: str, entries: list[dict[str, Any]]) -> UpdateStatus:
        """5.15: versions grow; an entry without idTagInfo removes one, and has no place in a full list."""
        station, is_full = self.station, update_type == UpdateType.full
        if not station.configuration.is_on("LocalAuthListEnabled"):
            return UpdateStatus.not_supported
        if not is_full and version <= station.local_list_version:
            return UpdateStatus.version_mismatch
        removed = {entry["id_tag"].upper() for entry in entries if not entry.get("id_tag_info")}
        updated = {
            entry["id_tag"].upper(): entry["id_tag_info"] for entry in entries if entry.get("id_tag_info")
        }
        kept = (
            {} if is_full else {tag: info for tag, info in station.local_list.items() if tag not in removed}
        )
        settings = station.configuration
        too_long = len(entries) > int(settings["SendLocalListMaxLength"])
        too_long = too_long or len(kept | updated) > int(settings["LocalAuthListMaxLength"])
        if version <= 0 or too_long or (is_full and removed):
            return UpdateStatus.failed
        station.local_list, station.local_list_version = kept | updated, version
        return UpdateStatus.accepted

    @on(Action.reserve_now)
    def on_reserve_now(
        self,
        connector_id: int,
        expiry_date: str,
        id_tag: str,
        reservation_id: int,
        parent_id_tag: str | None = None,
    ) -> call_result.ReserveNow:
        """Keep a connector for one id tag; the same reservation id again replaces the old one (5.13)."""
        outlet, expires_at = self.outlet(connector_id), parse_time(expiry_date)
        if outlet is None or expires_at <= datetime.now(UTC):
            return call_result.ReserveNow(status=ReservationStatus.rejected)
        if not outlet.operative:
            return call_result.ReserveNow(status=ReservationStatus.unavailable)
        other = outlet.reservation and outlet.reservation.reservation_id != reservation_id
        if outlet.charge or other:
            return call_result.ReserveNow(status=ReservationStatus.occupied)
        self._release(reservation_id)
        outlet.reservation = Reservation(reservation_id, id_tag, parent_id_tag, expires_at)
        self.then_run(self._hold, outlet, outlet.reservation)
        return call_result.ReserveNow(status=ReservationStatus.accepted)

    @on(Action.cancel_reservation)
    def on_cancel_reservation(self, reservation_id: int) -> call_result.CancelReservation:
        """Give a reserved connector back."""
        status = CancelReservationStatus
        was_held = self._release(reservation_id)
        return call_result.CancelReservation(status=status.accepted if was_held else status.rejected)

    def _release(self, reservation_id: int) -> bool:
        """End a reservation; False when there is none of that id."""
        for outlet in self.station.outlets:
            if outlet.reservation and outlet.reservation.reservation_id == reservation_id:
                outlet.reservation = None
                self.then_run(self.station.settle, outlet)
                return True
        return False

    async def _hold(self, outlet: Connector, reservation: Reservation) -> None:
        """Show a connector as reserved until the reservation expires, if nothing else ends it before."""
        await self.station.settle(outlet)
        await asyncio.sleep((reservation.expires_at - datetime.now(UTC)).total_seconds())
        if outlet.reservation is reservation:
            outlet.reservation = None
            await self.station.settle(outlet)

    @on(Action.set_charging_profile)
    def on_set_charging_profile(
        self, connector_id: int, cs_charging_profiles: Profile
    ) -> call_result.SetChargingProfile:
        """Install a charging profile in the place of the one that it replaces (5.16)."""
        station, profile = self.station, cs_charging_profiles
        if not self._may_install(connector_id, profile):
            return call_result.SetChargingProfile(status=ChargingProfileStatus.rejected)
        outlet = self.outlet(connector_id)
        if profile["charging_profile_purpose"] == Purpose.tx_profile and outlet and outlet.charge:
            profile = {**profile, "transaction_id": outlet.charge.transaction_id}
        new = InstalledProfile(connector_id, profile)
        kept = [one for one in station.profiles if not new.replaces(one)]
        if len(kept) >= int(station.configuration["MaxChargingProfilesInstalled"]):
            return call_result.SetChargingProfile(status=ChargingProfileStatus.rejected)
        station.profiles = [*kept, new]
        return call_result.SetChargingProfile(status=ChargingProfileStatus.accepted)

    def _may_install(self, connector_id: int, profile: Profile) -> bool:
        """3.13.1: a maximum belongs to connector 0, a TxProfile to a transaction, a default anywhere."""
        settings, purpose = self.station.configuration, profile["charging_profile_purpose"]
        levels, periods = settings["ChargeProfileMaxStackLevel"], settings["ChargingScheduleMaxPeriods"]
        if connector_id not in self.station.connectors or problem(profile, int(levels), int(periods)):
            return False
        if purpose == Purpose.charge_point_max_profile:
            return connector_id == 0
        if purpose == Purpose.tx_default_profile:
            return True
        outlet = self.outlet(connector_id)
        running = outlet.charge.transaction_id if outlet and outlet.charge else None
        return running is not None and profile.get("transaction_id") in (None, running)

    @on(Action.clear_charging_profile)
    def on_clear_charging_profile(
        self,
        id: int | None = None,
        connector_id: int | None = None,
        charging_profile_purpose: str | None = None,
        stack_level: int | None = None,
    ) -> call_result.ClearChargingProfile:
        """Remove the profiles that fit; Unknown when none does."""
        criteria = (id, connector_id, charging_profile_purpose, stack_level)
        kept = [one for one in self.station.profiles if not one.matches(*criteria)]
        found = len(kept) < len(self.station.profiles)
        self.station.profiles = kept
        status = ClearChargingProfileStatus.accepted if found else ClearChargingProfileStatus.unknown
        return call_result.ClearChargingProfile(status=status)

    @on(Action.get_composite_schedule)
    def on_get_composite_schedule(
        self, connector_id: int, duration: int, charging_rate_unit: str | None = None
    ) -> call_result.GetCompositeSchedule:
        """Tell what all profiles together allow from now on (5.7)."""
        connector = self.station.connectors.get(connector_id)
        if connector is None or duration <= 0:
            return call_result.GetCompositeSchedule(status=GetCompositeScheduleStatus.rejected)
        since = connector.charge.started_at if connector.charge else None
        return call_result.GetCompositeSchedule(
            status=GetCompositeScheduleStatus.accepted,
            connector_id=connector_id,
            schedule_start=timestamp(),
            charging_schedule=composite_schedule(
                self.station.profiles, connector_id, since, duration, charging_rate_unit or "W"
            ),
        )
