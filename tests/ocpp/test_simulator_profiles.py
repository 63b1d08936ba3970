"""What the central system makes a charge point keep: local list, reservations, charging profiles."""

from typing import Any

import pytest
from ocpp.exceptions import PropertyConstraintViolationError
from ocpp.v16 import call

from tests.ocpp.central import (
    Central,
    idle_charge_point,
    in_seconds,
    on_a_loop,
    start_charge,
)

# Local list, reservations


def entry(tag: str, status: str | None = "Accepted") -> dict[str, Any]:
    return {"id_tag": tag, "id_tag_info": {"status": status}} if status else {"id_tag": tag}


@on_a_loop
async def test_the_local_list_keeps_to_its_versions():
    async with idle_charge_point() as central:

        async def send(version: int, update_type: str, *entries: dict[str, Any]) -> tuple[str, int]:
            request = call.SendLocalList(
                list_version=version, update_type=update_type, local_authorization_list=list(entries)
            )
            status = (await central.ask(request)).status
            return status, (await central.ask(call.GetLocalListVersion())).list_version

        assert (await central.ask(call.GetLocalListVersion())).list_version == 0
        assert await send(5, "Full", entry("A"), entry("B")) == ("Accepted", 5)
        assert await send(5, "Differential", entry("C")) == ("VersionMismatch", 5)
        assert await send(6, "Differential", entry("a", None), entry("C")) == ("Accepted", 6)
        assert await send(7, "Full", entry("A", None)) == ("Failed", 6)
        assert await send(0, "Full", entry("A")) == ("Failed", 6)
        assert await send(7, "Full", *(entry(f"T{n}") for n in range(501))) == ("Failed", 6)
        assert await send(2, "Full") == ("Accepted", 0)
        await central.ask(call.ChangeConfiguration(key="LocalAuthListEnabled", value="false"))
        assert await send(3, "Full", entry("A")) == ("NotSupported", -1)


@on_a_loop
async def test_the_local_list_lets_in_without_asking():
    async with idle_charge_point() as central:
        await central.ask(
            call.SendLocalList(list_version=1, update_type="Full", local_authorization_list=[entry("cafe")])
        )
        for key in ("LocalPreAuthorize", "AuthorizeRemoteTxRequests"):
            await central.ask(call.ChangeConfiguration(key=key, value="true"))
        await start_charge(central)

    assert not central.all("Authorize")


def reservation(
    reservation_id: int, tag: str = "CAFE", connector_id: int = 1, seconds: float = 60
) -> call.ReserveNow:
    return call.ReserveNow(
        connector_id=connector_id,
        expiry_date=in_seconds(seconds),
        id_tag=tag,
        reservation_id=reservation_id,
    )


@on_a_loop
async def test_a_reservation_keeps_the_connector_for_its_tag():
    async with idle_charge_point(duration=60) as central:
        assert (await central.ask(reservation(1))).status == "Accepted"
        await central.heard("StatusNotification", status="Reserved")
        assert (await central.ask(reservation(2))).status == "Occupied"
        assert (await central.ask(call.RemoteStartTransaction(id_tag="OTHER"))).status == "Rejected"
        await start_charge(central)
        assert central.all("StartTransaction")[0]["reservation_id"] == 1
        assert (await central.ask(reservation(3))).status == "Occupied"
        assert (await central.ask(call.CancelReservation(reservation_id=1))).status == "Rejected"


@on_a_loop
async def test_a_reservation_is_cancelled_or_expires():
    async with idle_charge_point() as central:
        await central.ask(reservation(1))
        assert (await central.ask(reservation(1, tag="OTHER"))).status == "Accepted"  # replaces
        assert (await central.ask(call.CancelReservation(reservation_id=9))).status == "Rejected"
        assert (await central.ask(call.CancelReservation(reservation_id=1))).status == "Accepted"
        await central.heard("StatusNotification", status="Available")
        await central.ask(reservation(2, seconds=0.1))
        await central.heard("StatusNotification", status="Available", times=2)


@on_a_loop
async def test_a_reservation_that_cannot_be_is_refused():
    async with idle_charge_point() as central:
        assert (await central.ask(reservation(1, connector_id=0))).status == "Rejected"
        assert (await central.ask(reservation(1, connector_id=9))).status == "Rejected"
        assert (await central.ask(reservation(1, seconds=-60))).status == "Rejected"
        await central.ask(call.ChangeAvailability(connector_id=1, type="Inoperative"))
        assert (await central.ask(reservation(1))).status == "Unavailable"
        with pytest.raises(PropertyConstraintViolationError):
            await central.ask(
                call.ReserveNow(connector_id=1, expiry_date="tomorrow", id_tag="A", reservation_id=1)
            )


# Smart charging


def profile(
    profile_id: int, purpose: str, *periods: tuple[int, float], unit: str = "W", **fields: Any
) -> dict[str, Any]:
    schedule = {
        "charging_rate_unit": unit,
        "charging_schedule_period": [{"start_period": start, "limit": limit} for start, limit in periods],
    }
    return {
        "charging_profile_id": profile_id,
        "stack_level": 0,
        "charging_profile_purpose": purpose,
        "charging_profile_kind": "Relative",
        "charging_schedule": schedule,
        **fields,
    }


async def install(central: Central, connector_id: int, charging_profile: dict[str, Any]) -> str:
    request = call.SetChargingProfile(connector_id=connector_id, cs_charging_profiles=charging_profile)
    return str((await central.ask(request)).status)


async def schedule(central: Central, connector_id: int, unit: str = "W") -> list[tuple[int, float]]:
    request = call.GetCompositeSchedule(connector_id=connector_id, duration=100, charging_rate_unit=unit)
    answer = await central.ask(request)
    assert answer.status == "Accepted"
    periods = answer.charging_schedule["charging_schedule_period"]
    return [(period["start_period"], float(period["limit"])) for period in periods]


@on_a_loop
async def test_profiles_go_only_where_they_may():
    async with idle_charge_point(duration=60) as central:
        limit = (0, 1000.0)
        assert await install(central, 1, profile(1, "ChargePointMaxProfile", limit)) == "Rejected"
        assert await install(central, 0, profile(1, "ChargePointMaxProfile", limit)) == "Accepted"
        assert await install(central, 1, profile(2, "TxProfile", limit)) == "Rejected"
        transaction_id = await start_charge(central)
        assert await install(central, 1, profile(2, "TxProfile", limit, transaction_id=99)) == "Rejected"
        assert await install(central, 1, profile(2, "TxProfile", limit)) == "Accepted"
        assert await install(central, 9, profile(3, "TxDefaultProfile", limit)) == "Rejected"
        assert await install(central, 1, profile(3, "TxDefaultProfile", limit, stack_level=99)) == "Rejected"
        assert await install(central, 1, profile(3, "TxDefaultProfile")) == "Rejected"
        # A TxProfile ends with its transaction.
        await central.ask(call.RemoteStopTransaction(transaction_id=transaction_id))
        await central.heard("StatusNotification", status="Available")
        assert (await central.ask(call.ClearChargingProfile(id=2))).status == "Unknown"


@on_a_loop
async def test_the_composite_schedule_is_the_least_of_all_limits():
    async with idle_charge_point(duration=60) as central:
        assert await schedule(central, 1, "A") == [(0, 32.0)]
        await install(central, 0, profile(1, "ChargePointMaxProfile", (0, 9000.0)))
        await install(central, 0, profile(2, "TxDefaultProfile", (0, 10.0), (60, 20.0), unit="A"))
        assert await schedule(central, 1) == [(0, 6900.0), (60, 9000.0)]
        assert await schedule(central, 0) == [(0, 9000.0)]
        await start_charge(central, charging_profile=profile(3, "TxProfile", (0, 500.0)))
        assert await schedule(central, 1) == [(0, 500.0)]
        bad = await central.ask(call.GetCompositeSchedule(connector_id=5, duration=60))
        assert bad.status == "Rejected"


@on_a_loop
async def test_a_recurring_profile_returns_and_a_higher_stack_level_leads():
    async with idle_charge_point() as central:
        daily = profile(
            1,
            "TxDefaultProfile",
            (0, 1000.0),
            (50, 2000.0),
            charging_profile_kind="Recurring",
            recurrency_kind="Daily",
        )
        daily["charging_schedule"]["start_schedule"] = in_seconds(-86_400 * 3 - 10)
        assert await install(central, 0, daily) == "Accepted"
        assert await schedule(central, 1) == [(0, 1000.0), (40, 2000.0)]
        short = profile(2, "TxDefaultProfile", (0, 700.0), stack_level=1, valid_to=in_seconds(20))
        assert await install(central, 0, short) == "Accepted"
        assert await schedule(central, 1) == [(0, 700.0), (20, 1000.0), (40, 2000.0)]


@on_a_loop
async def test_profiles_are_cleared_by_id_or_criteria():
    async with idle_charge_point() as central:
        limit = (0, 1000.0)
        await install(central, 0, profile(1, "ChargePointMaxProfile", limit))
        await install(central, 1, profile(2, "TxDefaultProfile", limit))
        await install(central, 1, profile(3, "TxDefaultProfile", limit))  # takes the place of 2
        assert (await central.ask(call.ClearChargingProfile(id=2))).status == "Unknown"
        assert (
            await central.ask(call.ClearChargingProfile(connector_id=1, stack_level=5))
        ).status == "Unknown"
        request = call.ClearChargingProfile(charging_profile_purpose="TxDefaultProfile")
        assert (await central.ask(request)).status == "Accepted"
        assert (await central.ask(call.ClearChargingProfile())).status == "Accepted"
        assert (await central.ask(call.ClearChargingProfile())).status == "Unknown"
