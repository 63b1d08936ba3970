"""Every command that a charge point must answer: the answer fits its schema, and does what it says.

The central system here checks each answer against its schema (`ocpp.charge_point.ChargePoint.call`).
"""

import asyncio

import pytest
from ocpp.v16 import call

from tests.ocpp.central import (
    idle_charge_point,
    on_a_loop,
    start_charge,
)


@on_a_loop
async def test_remote_start_charges_on_the_connector():
    async with idle_charge_point(connectors=2) as central:
        await start_charge(central, connector_id=2)
        again = await central.ask(call.RemoteStartTransaction(id_tag="CAFE", connector_id=2))
        missing = await central.ask(call.RemoteStartTransaction(id_tag="CAFE", connector_id=3))
        await central.heard("StopTransaction")

    start = central.all("StartTransaction")[0]
    assert (start["connector_id"], start["id_tag"]) == (2, "CAFE")
    assert (again.status, missing.status) == ("Rejected", "Rejected")
    assert not central.all("Authorize")


@on_a_loop
async def test_remote_start_picks_a_free_connector_and_authorizes_if_told():
    async with idle_charge_point(connectors=2, duration=60) as central:
        await central.ask(call.ChangeConfiguration(key="AuthorizeRemoteTxRequests", value="true"))
        for connector_id in (1, 2):
            await central.ask(call.RemoteStartTransaction(id_tag="CAFE"))
            await central.heard("StartTransaction", connector_id=connector_id)
        full = await central.ask(call.RemoteStartTransaction(id_tag="CAFE"))

    assert full.status == "Rejected"
    assert len(central.all("Authorize", id_tag="CAFE")) == 2
    assert len(central.all("StopTransaction")) == 2  # both ended when the simulator was stopped


@on_a_loop
async def test_remote_stop_ends_only_its_transaction():
    async with idle_charge_point(duration=60) as central:
        transaction_id = await start_charge(central)
        assert (await central.ask(call.RemoteStopTransaction(transaction_id=99))).status == "Rejected"
        assert (
            await central.ask(call.RemoteStopTransaction(transaction_id=transaction_id))
        ).status == "Accepted"
        await central.heard("StopTransaction", transaction_id=transaction_id, reason="Remote")
        await central.heard("StatusNotification", status="Available")
        assert (
            await central.ask(call.RemoteStopTransaction(transaction_id=transaction_id))
        ).status == "Rejected"


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
@on_a_loop
async def test_reset_ends_the_charge_and_boots_again(kind):
    async with idle_charge_point(duration=60) as central:
        await start_charge(central)
        assert (await central.ask(call.Reset(type=kind))).status == "Accepted"
        await central.heard("StopTransaction", reason=f"{kind}Reset")
        await central.heard("BootNotification")
        await central.heard("StatusNotification", status="Available", connector_id=1, times=2)
        assert len(central.lines) == 2


@on_a_loop
async def test_unlock_connector_ends_its_charge():
    async with idle_charge_point(duration=60) as central:
        await start_charge(central)
        assert (await central.ask(call.UnlockConnector(connector_id=7))).status == "NotSupported"
        assert (await central.ask(call.UnlockConnector(connector_id=1))).status == "Unlocked"
        await central.heard("StopTransaction", reason="UnlockCommand")


@on_a_loop
async def test_change_availability_waits_for_a_charge():
    async with idle_charge_point(connectors=2, duration=60) as central:
        transaction_id = await start_charge(central)
        answer = await central.ask(call.ChangeAvailability(connector_id=0, type="Inoperative"))
        assert answer.status == "Scheduled"
        for connector_id in (0, 2):
            await central.heard("StatusNotification", connector_id=connector_id, status="Unavailable")
        assert central.statuses(1)[-1] == "Charging"
        await central.ask(call.RemoteStopTransaction(transaction_id=transaction_id))
        await central.heard("StatusNotification", connector_id=1, status="Unavailable")
        assert (await central.ask(call.RemoteStartTransaction(id_tag="A"))).status == "Rejected"

        answer = await central.ask(call.ChangeAvailability(connector_id=1, type="Operative"))
        assert answer.status == "Accepted"
        await central.heard("StatusNotification", connector_id=1, status="Available")
        answer = await central.ask(call.ChangeAvailability(connector_id=9, type="Operative"))
        assert answer.status == "Rejected"


@on_a_loop
async def test_configuration_is_listed_whole_or_by_key():
    async with idle_charge_point(password="sixteen-letters!") as central:
        every = (await central.ask(call.GetConfiguration())).configuration_key
        some = await central.ask(call.GetConfiguration(key=["numberofconnectors", "Nonsense"]))

    keys = {entry["key"]: entry for entry in every}
    assert {"HeartbeatInterval", "MeterValueSampleInterval", "SupportedFeatureProfiles"} <= set(keys)
    assert keys["AuthorizationKey"] == {"key": "AuthorizationKey", "readonly": False}
    assert some.configuration_key == [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}]
    assert some.unknown_key == ["Nonsense"]


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("LocalPreAuthorize", "true", "Accepted"),
        ("LocalPreAuthorize", "maybe", "Rejected"),
        ("ConnectionTimeOut", "-1", "Rejected"),
        ("ConnectionTimeOut", "½", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Nonsense", "Rejected"),
        ("NumberOfConnectors", "9", "Rejected"),
        ("WebSocketPingInterval", "5", "RebootRequired"),
        ("AuthorizationKey", "short", "Rejected"),
        ("Nonsense", "1", "NotSupported"),
    ],
)
@on_a_loop
async def test_configuration_is_changed_where_it_may_be(key, value, status):
    async with idle_charge_point() as central:
        assert (await central.ask(call.ChangeConfiguration(key=key, value=value))).status == status
        now = (await central.ask(call.GetConfiguration(key=[key]))).configuration_key
        changed = status in ("Accepted", "RebootRequired")
        assert bool(now and now[0].get("value") == value) is changed


@on_a_loop
async def test_changed_intervals_and_measurands_hold_at_once():
    async with idle_charge_point(duration=60) as central:
        await central.ask(call.ChangeConfiguration(key="HeartbeatInterval", value="1"))
        await central.ask(call.ChangeConfiguration(key="MeterValuesSampledData", value="Voltage, SoC"))
        await start_charge(central)
        value = await central.heard("MeterValues")
        await central.heard("Heartbeat")

    assert [s["measurand"] for s in value["meter_value"][0]["sampled_value"]] == ["Voltage", "SoC"]


@on_a_loop
async def test_a_new_key_is_used_for_the_next_connection():
    async with idle_charge_point() as central:
        answer = await central.ask(call.ChangeConfiguration(key="AuthorizationKey", value="sixteen-letters!"))
        assert answer.status == "Accepted"
        assert "Authorization" not in central.line.websocket.request.headers
        await central.ask(call.Reset(type="Soft"))
        await central.heard("BootNotification")
        assert central.line.websocket.request.headers["Authorization"].startswith("Basic ")


@on_a_loop
async def test_clear_cache_and_data_transfer_are_answered():
    async with idle_charge_point() as central:
        assert (await central.ask(call.ClearCache())).status == "Accepted"
        answer = await central.ask(call.DataTransfer(vendor_id="com.example", data="x"))
        assert answer.status == "UnknownVendorId"


@on_a_loop
async def test_many_commands_at_once_are_all_answered():
    async with idle_charge_point() as central:
        answers = await asyncio.gather(*(central.ask(call.GetLocalListVersion()) for _ in range(50)))
    assert {answer.list_version for answer in answers} == {0}
