"""The `simulate` command: any number of simulated charge points in one loop, watched on the terminal."""

import asyncio
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from .simulated_charge_point.clock import happens
from .simulator import ChargePointSimulator, SimulatorConfig, SimulatorState

# Tries for the first connection: a server that is just starting is waited for, a missing one is reported.
CONNECT_ATTEMPTS = 3
# What cars draw from an outlet in the street: one phase, three phases of 16 A, three of 32 A.
AC_POWERS_KW = (7.4, 11.0, 22.0)
TERMINAL_REFRESH_S = 0.5
LINE_EVERY_S = 5.0
ERRORS_SHOWN = 5


@click.command()
@click.option(
    "--count", type=click.IntRange(min=1), default=1, help="How many charge points.", show_default=True
)
@click.option("--host", default="127.0.0.1", help="The central system's host.", show_default=True)
@click.option(
    "--port", "ws_port", type=int, default=8000, help="The central system's port.", show_default=True
)
@click.option("--path", default="", help="What precedes the id in the address.")
@click.option("--prefix", default="SIM", help="Ids are this and a number from 1.", show_default=True)
@click.option("--rfid", default="FFFFFFFF", help="The id tag to charge with.", show_default=True)
@click.option("--duration", type=float, default=600, help="Seconds that a charge takes.", show_default=True)
@click.option("--interval", type=float, default=5, help="Seconds between meter values.", show_default=True)
@click.option("--power", "power_kw", type=float, help="kW of a charge. [default: 7.4, 11 and 22 in turn]")
@click.option("--kwh-min", type=float, help="Least energy of a charge, whatever power that takes.")
@click.option("--kwh-max", type=float, help="Most energy of a charge, whatever power that takes.")
@click.option("--repeat", is_flag=True, help="Charge again and again.")
@click.option("--idle", is_flag=True, help="Charge only when the central system says so; stay until Ctrl-C.")
@click.option("--username", help="User name, if it is not the charge point's id.")
@click.option("--password", envvar="SIMULATOR_PASSWORD", show_envvar=True, help="Password (Basic auth).")
@click.option("--ramp", type=click.FloatRange(min=0), default=0, help="Seconds over which to start them all.")
def simulate(count: int, path: str, prefix: str, ramp: float, idle: bool, **settings: Any) -> None:
    """Charge cars on simulated charge points, until they are full or Ctrl-C.

    Ctrl-C ends every charge properly. The exit code is 1 when a charge point could not connect or charge.
    """
    try:
        configs = [
            SimulatorConfig(
                cp_path=f"{path.strip('/')}/{prefix}{number}".lstrip("/"),
                autostart=not idle,
                connect_attempts=CONNECT_ATTEMPTS,
                **_energy_settings(number, settings),
            )
            for number in range(1, count + 1)
        ]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    fleet = Fleet([ChargePointSimulator(config) for config in configs], ramp)
    asyncio.run(fleet.run())
    fleet.summarize()
    if fleet.has_failed:
        click.get_current_context().exit(1)


def _energy_settings(number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given; where none is about energy, the power of a usual car."""
    given = {name: value for name, value in settings.items() if value is not None}
    if "power_kw" in given and given.keys() & {"kwh_min", "kwh_max"}:
        raise ValueError("the energy of a charge follows from --power, or from --kwh-min and --kwh-max")
    if not given.keys() & {"power_kw", "kwh_min", "kwh_max"}:
        given["power_kw"] = AC_POWERS_KW[(number - 1) % len(AC_POWERS_KW)]
    return given


class Fleet:
    """Simulators that run together, started over ``ramp_s`` seconds."""

    def __init__(self, simulators: Sequence[ChargePointSimulator], ramp_s: float) -> None:
        self.simulators = simulators
        self.ramp_s = ramp_s
        self._interrupted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def has_failed(self) -> bool:
        """Whether any of them failed, or none was ever connected though nobody interrupted."""
        some_failed = any(one.state == SimulatorState.failed for one in self.simulators)
        some_connected = any(one.was_connected for one in self.simulators)
        return some_failed or not (some_connected or self._interrupted.is_set())

    async def run(self) -> None:
        """Run them all to their ends, showing how they do; SIGINT and SIGTERM stop them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # There are no signals on Windows, nor outside the main thread.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.interrupt)
        gap_s = self.ramp_s / len(self.simulators)
        self._tasks = [
            asyncio.create_task(self._run_one(one, index * gap_s))
            for index, one in enumerate(self.simulators)
        ]
        watcher = asyncio.create_task(self._watch())
        await asyncio.gather(*self._tasks, return_exceptions=True)
        watcher.cancel()

    async def _run_one(self, simulator: ChargePointSimulator, delay_s: float) -> None:
        if not await happens(self._interrupted, delay_s):
            await simulator.run()

    def interrupt(self) -> None:
        """Stop them all, with a StopTransaction each; the second time, at once."""
        if self._interrupted.is_set():
            for task in self._tasks:
                task.cancel()
            return
        self._interrupted.set()
        for one in self.simulators:
            one.request_stop()
        self._clear_line()
        click.echo(
            "Stopping: every charge gets its StopTransaction. Ctrl-C again to leave at once.", err=True
        )

    async def _watch(self) -> None:
        """Keep the status in view: one line that changes on a terminal, else a line now and then."""
        while True:
            await asyncio.sleep(TERMINAL_REFRESH_S if sys.stdout.isatty() else LINE_EVERY_S)
            self._clear_line()
            click.echo(self._status(), nl=not sys.stdout.isatty())

    def _clear_line(self) -> None:
        if sys.stdout.isatty():
            click.echo("\r\x1b[2K", nl=False)

    def _status(self) -> str:
        """How they do, in one line; on a terminal no wider than that."""
        connected = sum(one.is_connected for one in self.simulators)
        charging = sum(one.state == SimulatorState.charging for one in self.simulators)
        status = f"{connected}/{len(self.simulators)} connected, {charging} charging, {self._energy()}"
        if errors := [one.last_error for one in self.simulators if one.last_error]:
            status += f", {len(errors)} with errors, such as: {errors[-1]}"
        return status[: shutil.get_terminal_size().columns - 1] if sys.stdout.isatty() else status

    def _energy(self) -> str:
        return f"{sum(one.energy_wh for one in self.simulators) / 1000:.1f} kWh"

    def summarize(self) -> None:
        """Say what came of it; errors go to stderr, a few of them in full."""
        self._clear_line()
        charges = sum(one.charges_done for one in self.simulators)
        connected = sum(one.was_connected for one in self.simulators)
        total = len(self.simulators)
        click.echo(f"{total} charge points, {connected} connected, {charges} charges, {self._energy()}")
        errors = [one for one in self.simulators if one.last_error]
        for one in errors[:ERRORS_SHOWN]:
            click.echo(f"{one.config.charge_point_id}: {one.last_error}", err=True)
        if len(errors) > ERRORS_SHOWN:
            click.echo(f"… and {len(errors) - ERRORS_SHOWN} more with errors", err=True)
