"""The `simulate` command: what it says, how it ends."""

import asyncio
import signal
import sys

import pytest
from click.testing import CliRunner

from app.blueprints.ocpp.simulate_cli import simulate
from tests.ocpp.central import central_system, on_a_loop


def test_simulate_says_what_to_do_when_nobody_listens():
    result = CliRunner().invoke(simulate, ["--count", "2", "--port", "9"])
    assert result.exit_code == 1
    assert "SIM1: nothing listens at ws://127.0.0.1:9/SIM1: is scripts/run running?" in result.stderr


@on_a_loop
async def test_simulate_charges_and_sums_up():
    async with central_system() as central:
        options = [
            "--port",
            str(central.port),
            "--count",
            "3",
            "--path",
            "a/b",
            "--duration",
            "0.2",
            "--ramp",
            "0.1",
        ]
        result = await asyncio.to_thread(CliRunner().invoke, simulate, options)

    assert result.exit_code == 0, result.output
    assert "3 charge points, 3 connected, 3 charges" in result.stdout
    assert sorted(line.id for line in central.lines) == ["/a/b/SIM1", "/a/b/SIM2", "/a/b/SIM3"]


@on_a_loop
async def test_ctrl_c_ends_every_charge_of_simulate():
    async with central_system() as central:
        program = "from app.blueprints.ocpp.simulate_cli import simulate; simulate()"
        command = [
            sys.executable,
            "-c",
            program,
            "--port",
            str(central.port),
            "--count",
            "2",
            "--interval",
            "0.1",
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        await central.heard("MeterValues", times=2)
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()

    assert process.returncode == 0
    assert len(central.all("StopTransaction", reason="Local")) == 2
    assert b"2 charges" in output


@on_a_loop
async def test_simulate_fails_when_a_tag_is_refused():
    async with central_system() as central:
        central.authorize_status = "Invalid"
        result = await asyncio.to_thread(CliRunner().invoke, simulate, ["--port", str(central.port)])

    assert result.exit_code == 1
    assert "SIM1: id tag FFFFFFFF is refused: Invalid" in result.stderr


@on_a_loop
async def test_a_simulated_car_draws_what_a_car_draws_however_short_its_charge():
    async with central_system() as central:
        options = ["--port", str(central.port), "--count", "3", "--duration", "0.6", "--interval", "0.2"]
        await asyncio.to_thread(CliRunner().invoke, simulate, options)
        await asyncio.to_thread(
            CliRunner().invoke, simulate, [*options[:2], "--duration", "0.1", "--kwh-min", "30"]
        )

    samples = [s for value in central.all("MeterValues") for s in value["meter_value"][0]["sampled_value"]]
    assert {float(s["value"]) for s in samples if s["measurand"].startswith("Power")} == {
        7400,
        11_000,
        22_000,
    }
    assert central.all("StopTransaction")[-1]["meter_stop"] >= 30_000


@pytest.mark.parametrize(
    "options",
    [
        ["--interval", "0"],
        ["--count", "0"],
        ["--port", "0"],
        ["--kwh-min", "90"],
        ["--power", "0"],
        ["--power", "11", "--kwh-max", "5"],
    ],
)
def test_simulate_refuses_impossible_options(options):
    assert CliRunner().invoke(simulate, options).exit_code == 2
