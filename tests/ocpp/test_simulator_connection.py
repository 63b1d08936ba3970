"""Lost connections, refusals, garbage: what a charge point lives through."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import basic_auth

from app.blueprints.ocpp.simulator import (
    ChargePointSimulator,
    ConnectionLost,
    SimulatorConfig,
    SimulatorState,
)
from tests.ocpp.central import QUICK, Central, central_system, charge_point, on_a_loop


def simulator_for(central: Central, **settings: Any) -> ChargePointSimulator:
    return ChargePointSimulator(SimulatorConfig(ws_port=central.port, **{**QUICK, **settings}))


@on_a_loop
async def test_a_charge_goes_on_through_a_lost_connection():
    async with central_system() as central, charge_point(central, duration=0.6) as simulator:
        await central.heard("MeterValues")
        await central.line.websocket.close(1011)
        stop = await central.heard("StopTransaction")

        assert len(central.lines) == 2
        assert len(central.all("StartTransaction")) == 1
        assert len(central.all("BootNotification")) == 1  # OCPP-J 1.6, 5.4: not for a mere reconnection
        assert stop["meter_stop"] >= 30_000
        assert "1011" in (simulator.last_error or "")


@pytest.mark.parametrize("status", ["Preparing", "Charging", "Finishing", "Available"])
@on_a_loop
async def test_wherever_the_connection_is_lost_one_car_is_charged_once(status):
    async with central_system() as central:
        running = asyncio.create_task(simulator_for(central).run())
        times = 2 if status == "Available" else 1  # the first was before the charge
        await central.heard("StatusNotification", times, status=status, connector_id=1)
        central.line.websocket.transport.abort()
        await running

    assert len(central.all("StartTransaction")) == len(central.all("StopTransaction")) == 1


@on_a_loop
async def test_stop_while_offline_with_nothing_to_tell_is_no_failure():
    async with central_system() as central:
        simulator = simulator_for(central, autostart=False)
        simulator.start()
        await central.heard("StatusNotification", connector_id=1)
    assert await asyncio.to_thread(simulator.stop, 3)
    assert simulator.state == SimulatorState.stopped


@on_a_loop
async def test_what_ends_while_offline_is_told_after_the_reconnection():
    async with central_system() as central, charge_point(central, duration=0.3):
        await central.heard("MeterValues")
        central.line.websocket.transport.abort()
        central.deaf_to.add("StopTransaction")
        await asyncio.sleep(0.5)
        assert not central.all("StopTransaction")
        central.line.websocket.transport.abort()
        central.deaf_to.clear()
        await central.heard("StopTransaction")
        await central.heard("StatusNotification", status="Available", times=3)


@on_a_loop
async def test_a_transaction_message_is_tried_again_after_a_callerror():
    async with central_system() as central:
        central.errors = {"StartTransaction": 1}
        simulator = simulator_for(central)
        simulator.station.configuration["TransactionMessageRetryInterval"] = "0"
        await simulator.run()

    assert len(central.all("StopTransaction")) == 1


@on_a_loop
async def test_a_start_that_always_fails_is_given_up():
    async with central_system() as central:
        central.errors = {"StartTransaction": 9}
        simulator = simulator_for(central)
        simulator.station.configuration["TransactionMessageRetryInterval"] = "0"
        await simulator.run()

    assert central.errors == {"StartTransaction": 6}
    assert "StartTransaction failed" in (simulator.last_error or "")
    assert central.statuses()[-1] == "Available"


@on_a_loop
async def test_it_waits_for_a_server_that_is_not_there_yet():
    async with central_system() as gone:
        pass
    simulator = simulator_for(gone, reconnect_pause=0.4)
    running = asyncio.create_task(simulator.run())
    await asyncio.sleep(0.1)
    assert simulator.state == SimulatorState.offline
    assert (
        simulator.last_error
        == f"nothing listens at ws://127.0.0.1:{gone.port}/SIM1/: is scripts/run running?"
    )

    async with central_system(gone.port) as central:
        await central.heard("StopTransaction")
        await running
    assert simulator.state == SimulatorState.finished


@on_a_loop
async def test_it_gives_up_when_the_tries_are_bounded():
    async with central_system() as gone:
        pass
    simulator = simulator_for(gone, connect_attempts=2)
    await simulator.run()
    assert simulator.state == SimulatorState.failed
    with pytest.raises(ConnectionLost, match="nothing listens"):
        await simulator._run_session()


@on_a_loop
async def test_it_shows_its_name_and_key():
    async with central_system(process_request=basic_auth(credentials=("SIM1", "it:has a: colon"))) as central:
        simulator = simulator_for(central, password="it:has a: colon")
        await simulator.run()
        assert simulator.state == SimulatorState.finished

        intruder = simulator_for(central, username="SIM1", password="wrong", connect_attempts=1)
        await intruder.run()
        assert "answered 401" in (intruder.last_error or "")


@pytest.mark.parametrize(
    "garbage",
    [
        *(
            "",
            "nonsense",
            "[]",
            "{}",
            "[2]",
            '[9,"x"]',
            "[" * 5000,
            "9" * 5000,
            '[3,"stray",{}]',
            '[4,"stray"]',
        ),
        *(
            '[2,"a",["Reset"],{}]',
            '[2,"b","Reset",null]',
            '[2,"c","Reset",{"type":"\\ud800"}]',
            "[2,null,{},{}]",
        ),
        b"\xff\xfe",
    ],
)
@on_a_loop
async def test_garbage_does_not_cost_the_connection(garbage):
    async with central_system() as central, charge_point(central) as simulator:
        await central.heard("StartTransaction")
        for _ in range(50):
            await central.line.websocket.send(garbage)
        await central.heard("StopTransaction")
        assert len(central.lines) == 1
        assert simulator.last_error is None


@pytest.mark.parametrize(("action", "code"), [("Teleport", "NotImplemented"), ("Authorize", "NotSupported")])
@on_a_loop
async def test_an_action_that_is_no_command_gets_its_callerror(action, code):
    async with central_system() as central, charge_point(central, autostart=False):
        await central.heard("StatusNotification", connector_id=1)
        await central.line.websocket.send(json.dumps([2, "odd", action, {}]))
        while not (found := [frame for frame in central.frames if frame[1] == "odd"]):
            await asyncio.sleep(0.01)
        assert found[0][:3] == [4, "odd", code]
