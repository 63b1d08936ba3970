"""The simulator's life: sessions, refusals, lost connections, stopping (contract §5)."""

import asyncio
import base64
import json
import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from app.blueprints.ocpp.simulator import (
    ChargePointSimulator,
    SimulatorConfig,
    SimulatorState,
)
from tests.ocpp.central import QUICK, Central, central_system, charge_point, on_a_loop


def simulator_for(central: Central, **settings: Any) -> ChargePointSimulator:
    return ChargePointSimulator(SimulatorConfig(ws_port=central.port, **{**QUICK, **settings}))


def register_wh(payload: dict[str, Any]) -> int:
    samples = payload["meter_value"][0]["sampled_value"]
    return next(int(s["value"]) for s in samples if s["measurand"] == "Energy.Active.Import.Register")


@on_a_loop
async def test_a_session_goes_in_the_order_of_the_specification():
    async with central_system() as central:
        simulator = simulator_for(central)
        await simulator._run_session()

    told = [payload.get("status", name) for name, payload in central.log if name != "MeterValues"]
    assert told == [
        *("BootNotification", "Available", "Available"),
        *("Authorize", "Preparing", "StartTransaction", "Charging"),
        *("StopTransaction", "Finishing", "Available"),
    ]
    assert simulator.state == SimulatorState.finished
    assert simulator.last_error is None


@on_a_loop
async def test_the_meter_grows_by_the_energy_that_was_asked_for():
    async with central_system() as central:
        await simulator_for(central, kwh_min=30, kwh_max=60)._run_session()

    start, stop = central.all("StartTransaction")[0], central.all("StopTransaction")[0]
    registers = [register_wh(payload) for payload in central.all("MeterValues")]
    steps = [start["meter_start"], *registers, stop["meter_stop"]]
    assert 30_000 <= stop["meter_stop"] - start["meter_start"] <= 60_000
    assert len(registers) >= 3
    assert all(earlier < later for earlier, later in pairwise(steps))


@on_a_loop
async def test_the_energy_follows_from_the_power_where_that_is_given():
    async with central_system() as central:
        await simulator_for(central, power_kw=7200, kwh_min=30, kwh_max=60, duration=0.5)._run_session()

    stop, value = central.all("StopTransaction")[0], central.all("MeterValues")[0]
    samples = {s["measurand"]: float(s["value"]) for s in value["meter_value"][0]["sampled_value"]}
    assert stop["meter_stop"] == 1000
    assert samples["Power.Active.Import"] == 7_200_000


@on_a_loop
async def test_a_meter_value_carries_five_measurands_and_its_transaction():
    async with central_system() as central:
        await simulator_for(central)._run_session()

    value = central.all("MeterValues")[0]
    units = {s["measurand"]: s["unit"] for s in value["meter_value"][0]["sampled_value"]}
    assert units == {
        "Energy.Active.Import.Register": "Wh",
        "Power.Active.Import": "W",
        "Current.Import": "A",
        "Voltage": "V",
        "SoC": "Percent",
    }
    assert value["transaction_id"] == 1


@on_a_loop
async def test_message_ids_are_unique():
    async with central_system() as central:
        await simulator_for(central)._run_session()

    ids = [frame[1] for frame in central.frames if frame[0] == 2]
    assert len(ids) == len(set(ids)) == len(central.log)
    assert all(0 < len(unique_id) <= 36 for unique_id in ids)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@on_a_loop
async def test_boot_is_repeated_after_the_interval_until_accepted(status):
    async with central_system() as central:
        central.registrations, central.interval = [status], 1
        async with charge_point(central):
            await central.heard("StopTransaction")

    assert [name for name, _ in central.log][:3] == [
        "BootNotification",
        "BootNotification",
        "StatusNotification",
    ]


@on_a_loop
async def test_heartbeats_come_at_the_interval_told():
    async with central_system() as central:
        central.interval = 1
        async with charge_point(central, autostart=False):
            started = time.monotonic()
            await central.heard("Heartbeat")

    assert 0.9 < time.monotonic() - started < 2


@on_a_loop
async def test_a_refused_id_tag_does_not_charge():
    async with central_system() as central:
        central.authorize_status = "Blocked"
        simulator = simulator_for(central)
        await simulator.run()

    assert not central.all("StartTransaction")
    assert central.statuses()[-1] == "Available"
    assert simulator.last_error == "id tag FFFFFFFF is refused: Blocked"
    assert simulator.state == SimulatorState.failed


@on_a_loop
async def test_a_refused_start_is_stopped_without_energy():
    async with central_system() as central:
        central.start_status = "ConcurrentTx"
        simulator = simulator_for(central)
        await simulator.run()

    stop = central.all("StopTransaction")[0]
    assert (stop["reason"], stop["transaction_id"], stop["meter_stop"]) == ("DeAuthorized", 1, 0)
    assert "Charging" not in central.statuses()
    assert central.statuses()[-1] == "Available"
    assert "ConcurrentTx" in (simulator.last_error or "")


@on_a_loop
async def test_repeat_charges_again_and_again_on_one_meter():
    async with central_system() as central, charge_point(central, repeat=True, duration=0.1):
        second = await central.heard("StartTransaction", times=2)
        await central.heard("StartTransaction", times=3)

    assert second["meter_start"] == central.all("StopTransaction")[0]["meter_stop"] > 0
    assert len(central.all("BootNotification")) == 1


def test_credentials_and_addresses_are_encoded():
    config = SimulatorConfig(host="::1", ws_port=1, cp_path="/site a/Ñ#1/", username="é", password=None)
    assert config.url == "ws://[::1]:1/site%20a/%C3%91%231/"
    assert config.charge_point_id == "Ñ#1"
    assert config.headers("k") == {"Authorization": "Basic " + base64.b64encode("é:k".encode()).decode()}


@pytest.mark.parametrize(
    "settings",
    [{"interval": 0}, {"kwh_min": 9, "kwh_max": 1}, {"cp_path": "/"}, {"ws_port": 0}, {"duration": -1}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError):
        SimulatorConfig(**settings)


@on_a_loop
async def test_stop_ends_the_charge_properly():
    async with central_system() as central:
        simulator = simulator_for(central, duration=60)
        simulator.start()
        simulator.start()  # already running
        await central.heard("MeterValues")
        assert await asyncio.to_thread(simulator.stop, 3)

    stop = central.all("StopTransaction")[0]
    assert stop["reason"] == "Local"
    assert stop["meter_stop"] > 0
    assert central.statuses()[-2:] == ["Finishing", "Available"]
    assert simulator.state == SimulatorState.stopped
    assert len(central.lines) == 1


@on_a_loop
async def test_stop_before_start_and_twice_does_no_harm():
    async with central_system() as central:
        simulator = simulator_for(central, duration=60)
        assert simulator.stop()
        for _ in range(2):  # it can be started again
            simulator.start()
            await central.heard("StartTransaction", times=simulator.charges_done + 1)
            assert await asyncio.to_thread(simulator.stop, 3)
            assert simulator.stop()

        simulator.start()
        assert simulator.stop(3)  # at once, before it has a loop
    assert not [thread for thread in threading.enumerate() if thread.name == "simulator-SIM1"]


@on_a_loop
async def test_stop_does_not_wait_for_a_handshake():
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    simulator = ChargePointSimulator(SimulatorConfig(ws_port=silent.sockets[0].getsockname()[1]))
    simulator.start()
    await asyncio.sleep(0.1)
    started = time.monotonic()
    assert await asyncio.to_thread(simulator.stop, 3)
    assert time.monotonic() - started < 1
    silent.close()


@on_a_loop
async def test_stop_does_not_wait_for_ever_for_a_deaf_server():
    async with central_system() as central:
        central.deaf_to = {"StopTransaction"}
        simulator = simulator_for(central, duration=60)
        simulator.start()
        await central.heard("MeterValues")
        assert await asyncio.to_thread(simulator.stop, 1)

    assert simulator.state == SimulatorState.failed
    assert simulator.last_error == "switched off before the end of transaction 1 was delivered"
    stop = next(frame[3] for frame in central.frames if frame[2] == "StopTransaction")
    assert simulator.energy_wh == stop["meterStop"]  # the meter stood, though nobody listened


@on_a_loop
async def test_what_could_not_be_told_before_it_was_switched_off_is_told_when_it_is_on_again():
    async with central_system() as central:
        central.deaf_to = {"StopTransaction"}
        simulator = simulator_for(central, duration=60)
        simulator.start()
        await central.heard("MeterValues")
        assert await asyncio.to_thread(simulator.stop, 1)
        central.deaf_to = set()

        simulator.start()
        stop = await central.heard("StopTransaction")
        await central.heard("StartTransaction", times=2)
        assert await asyncio.to_thread(simulator.stop, 3)

    assert (stop["transaction_id"], stop["reason"]) == (1, "Local")
    assert central.all("StartTransaction")[1]["meter_start"] == stop["meter_stop"] > 0
    assert simulator.memory()["unsettled"] == []


@on_a_loop
async def test_another_goes_on_with_what_one_remembers_after_a_power_cut():
    async with central_system() as central:
        one = simulator_for(central, duration=60, connectors=2)
        running = asyncio.create_task(one.run())
        await central.heard("MeterValues")
        memory = one.memory(in_s=1)
        running.cancel()  # no more than a power cut would leave it
        central.line.websocket.transport.abort()

        other = simulator_for(central, connectors=2)
        other.recall(json.loads(json.dumps(memory)))
        assert other.energy_wh == 0
        await other.run()

    first, second = central.all("StopTransaction")
    assert (first["transaction_id"], first["reason"]) == (1, "PowerLoss")
    assert first["meter_stop"] == memory["meters"]["1"] == central.all("StartTransaction")[1]["meter_start"]
    assert first["meter_stop"] > register_wh(central.all("MeterValues")[0])
    assert other.energy_wh == second["meter_stop"] - first["meter_stop"]


@on_a_loop
async def test_a_start_whose_answer_was_never_heard_is_told_again_and_ended():
    async with central_system() as central:
        central.deaf_to = {"StartTransaction"}
        one = simulator_for(central, duration=60)
        running = asyncio.create_task(one.run())
        await central.heard("StatusNotification", status="Preparing")
        while not (unsettled := one.memory(in_s=1)["unsettled"]):
            await asyncio.sleep(0.01)
        running.cancel()
        central.deaf_to = set()

        other = simulator_for(central)
        other.recall(json.loads(json.dumps(one.memory(in_s=1))))
        await other.run()

    again = central.all("StartTransaction")[0]
    assert again == {name: value for name, value in unsettled[0]["start"].items() if value is not None}
    assert [stop["transaction_id"] for stop in central.all("StopTransaction")] == [1, 2]
    assert central.all("StopTransaction")[0]["reason"] == "PowerLoss"


@on_a_loop
async def test_what_cannot_be_kept_is_not_begun():
    async def keep() -> bool:
        return False

    async with central_system() as central:
        simulator = ChargePointSimulator(SimulatorConfig(ws_port=central.port, **QUICK), keep=keep)
        await simulator.run()

    assert central.statuses()[-2:] == ["Preparing", "Available"]
    assert not central.all("StartTransaction")
    assert simulator.memory()["unsettled"] == []


@on_a_loop
async def test_a_hundred_charge_in_one_loop():
    async with central_system() as central:
        simulators = [simulator_for(central, cp_path=f"S{n}", interval=0.2) for n in range(100)]
        await asyncio.gather(*(simulator.run() for simulator in simulators))

    assert {simulator.state for simulator in simulators} == {SimulatorState.finished}
    assert len(central.all("StopTransaction")) == 100
