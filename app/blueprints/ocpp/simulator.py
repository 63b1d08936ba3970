"""A charge point made of software: a newcomer's first charger, the tests' independent client (contract §5).

It speaks OCPP 1.6J through the client side of the `ocpp` package and imports nothing of the server.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ocpp.v16.enums import Reason
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from .simulated_charge_point.clock import happens
from .simulated_charge_point.config import SimulatorConfig
from .simulated_charge_point.connection import LOGGER, SUBPROTOCOL, SimulatedChargePoint, dial
from .simulated_charge_point.errors import (
    NO_SUBPROTOCOL,
    UNFORESEEN,
    CallFailed,
    ConnectionLost,
    Trouble,
    lost,
)
from .simulated_charge_point.state import SimulatorState
from .simulated_charge_point.station import Keeper, Station, keep_nothing
from .simulated_charge_point.visits import Visits

__all__ = ["CallFailed", "ChargePointSimulator", "ConnectionLost", "SimulatorConfig", "SimulatorState"]

LONGEST_PAUSE_S = 60.0


class ChargePointSimulator:
    """One simulated charge point: a coroutine (``run``) or its own thread (``start``), ended by ``stop``.

    ``on_event(simulator, text)`` is told what happens, on the simulator's loop: be quick, do not raise.
    ``keep()`` is waited for before each StartTransaction: see ``Station``.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        on_event: Callable[["ChargePointSimulator", str], None] | None = None,
        keep: Keeper = keep_nothing,
    ) -> None:
        self.config = config
        self.station = Station(config, self._tell, keep)
        self._on_event = on_event
        self._phase = SimulatorState.stopped
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_wanted = False
        self._grace_s = 10.0
        self._was_online = False
        self._failures = 0
        self._visits = Visits(self.station)

    @property
    def state(self) -> SimulatorState:
        """What it is doing now; when it has ended, how."""
        begun = any(charge.transaction_id is not None for charge in self.station.charges)
        return SimulatorState.charging if begun and self._phase == SimulatorState.available else self._phase

    @property
    def last_error(self) -> str | None:
        """The last thing that went wrong, in words; kept when all is well again."""
        return None if self.trouble is None else str(self.trouble)

    @property
    def trouble(self) -> Trouble | None:
        """The same, for whoever shows it in another language."""
        return self.station.trouble

    @property
    def is_connected(self) -> bool:
        """Whether the central system has accepted the charge point and the connection stands."""
        return self.station.online.is_set()

    @property
    def was_connected(self) -> bool:
        """Whether the central system has accepted the charge point since it was last started."""
        return self._was_online

    @property
    def charges_done(self) -> int:
        """Charges brought to their StopTransaction so far, however they ended."""
        return self.station.charges_done

    @property
    def energy_wh(self) -> int:
        """Delivered so far, all charges together."""
        return self.station.energy_wh

    @property
    def transaction_id(self) -> int | None:
        """The transaction that runs; of several, one."""
        running = (charge.transaction_id for charge in self.station.charges)
        return next((number for number in running if number is not None), None)

    def memory(self, in_s: float = 0) -> dict[str, Any]:
        """What a charge point knows after a power cut: its meters, and the transactions to be settled.

        Given to ``recall`` of another one, that one goes on as if it were this: its meters run on, and the
        transactions get their StopTransaction. ``in_s``: as it will be then, for whoever saves it only that
        often: a meter must not run backwards.
        """
        return self.station.memory(in_s)

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on where another run left off; before this one starts."""
        self.station.recall(memory)

    def start(self) -> None:
        """Run in a background thread with a loop of its own; return at once. Nothing when it runs already."""
        with self._lock:
            if self._loop or (self._thread and self._thread.is_alive()):
                return
            self._stop_wanted = False
            name = f"simulator-{self.config.charge_point_id}"
            self._thread = threading.Thread(target=lambda: asyncio.run(self.run()), name=name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """End the charges with a StopTransaction, hang up and end; from any thread.

        Waits at most ``timeout`` seconds for a thread of ours; ``run()`` in somebody's loop ends by itself.
        Returns whether it has ended.
        """
        self.request_stop(grace_s=max(timeout / 2, timeout - 1))
        thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return self._loop is None

    def request_stop(self, grace_s: float = 10.0) -> None:
        """Ask it to end, with ``grace_s`` seconds for its last messages; from any thread, without waiting."""
        with self._lock:
            if self._loop:
                self._loop.call_soon_threadsafe(self._halt, grace_s)
            elif self._thread and self._thread.is_alive():
                self._stop_wanted, self._grace_s = True, grace_s

    async def run(self) -> None:
        """Work until done or stopped, reconnecting after growing pauses when a connection is lost or refused.

        What happened is in ``state`` and ``last_error``; nothing is raised for it.
        """
        async with self._powered():
            while not self._stopping.is_set():
                try:
                    if await self._serve_connection():
                        return
                    self.station.reset()
                    self._visits.forget()
                except (ConnectionLost, CallFailed) as error:
                    self.station.fail(error)
                    if self._gives_up():
                        return
                await self._pause()

    async def _run_session(self) -> None:
        """One connection: boot, charge, hang up. Raises ConnectionLost or CallFailed."""
        async with self._powered():
            await self._serve_connection()

    @asynccontextmanager
    async def _powered(self) -> AsyncIterator[None]:
        """Switch the charge point on, and in the end off, whatever happened."""
        with self._lock:
            if self._loop:
                raise RuntimeError("this simulator is running already")
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            self._was_online, self._failures = False, 0
            self._visits = Visits(self.station)
            self.station.power_on()
            if self._stop_wanted:
                self._halt(self._grace_s)
        try:
            yield
        except Exception as error:  # noted for whoever watches, and raised on
            self._failures += 1
            known = error if isinstance(error, Trouble) else None
            self.station.fail(known or Trouble(UNFORESEEN, error=str(error) or repr(error)))
            raise
        finally:
            is_delivered = await self.station.power_off()
            with self._lock:
                self._loop, self._stop_wanted = None, False
            self._phase = self._end_state(is_delivered)
            self._tell(f"{self._phase}, {self.energy_wh / 1000:.2f} kWh")

    def _end_state(self, is_delivered: bool) -> SimulatorState:
        """How it ended: a refused charge, a lost message or a connection never made is a failure."""
        is_stopped = self._stopping.is_set()
        is_unheard = self._failures > 0 and not (is_stopped and self._was_online)
        if self._visits.refusal or is_unheard or not is_delivered:
            return SimulatorState.failed
        return SimulatorState.stopped if is_stopped else SimulatorState.finished

    def _halt(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._stopping.set()
        self.station.halt(Reason.local)

    def _gives_up(self) -> bool:
        """Count a failure; whether the tries for the first connection are used up."""
        self._failures += 1
        attempts = self.config.connect_attempts
        return attempts is not None and not self._was_online and self._failures >= attempts

    async def _pause(self) -> None:
        """Wait before the next connection: doubling, with jitter so that not all come back at once."""
        self._phase = SimulatorState.offline
        longest_s = min(
            LONGEST_PAUSE_S, self.config.reconnect_pause * 2 ** min(max(self._failures - 1, 0), 10)
        )
        await happens(self._stopping, longest_s * random.uniform(0.5, 1))

    # One connection

    async def _serve_connection(self) -> bool:
        """Connect and work. Return whether the work is done; it is not when stopped or rebooting."""
        self._phase = SimulatorState.connecting
        try:
            websocket = await dial(self.station)
            if websocket is None:
                return False
            try:
                return await self._hold(websocket)
            finally:
                await websocket.close()
        except (OSError, WebSocketException) as error:
            raise lost(error, self.config.url) from error

    async def _hold(self, websocket: ClientConnection) -> bool:
        """Read and work at once until the work is done, somebody halts it, or the connection ends."""
        if websocket.subprotocol != SUBPROTOCOL:
            raise ConnectionLost(NO_SUBPROTOCOL, url=self.config.url, subprotocol=SUBPROTOCOL)
        line = self.station.line = SimulatedChargePoint(self.station, websocket)
        reader, work = line.listen(), asyncio.create_task(self._work(line))
        halted = asyncio.create_task(self.station.halted.wait())
        tasks = (reader, work, halted)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not work.exception():
                return True
            if halted.done() and not reader.done():
                work.cancel()
                await self._end_charges(reader)
                return False
            # Why the connection ended says more than what the work missed.
            await (reader if reader.done() else work)
            return False
        finally:
            self.station.hang_up()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_charges(self, reader: asyncio.Task[None]) -> None:
        """End every charge for the reason of the halt, and see its last messages out."""
        self._phase = SimulatorState.stopping
        charges = self.station.charges
        for charge in charges:
            charge.end(self.station.halt_reason)
        ended = asyncio.gather(*(charge.task for charge in charges if charge.task), return_exceptions=True)
        waited_for: list[asyncio.Future[Any]] = [ended, reader]
        await asyncio.wait(waited_for, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)

    async def _work(self, line: SimulatedChargePoint) -> None:
        """What a charge point does on a connection: boot, show itself, beat, charge.

        It boots once; a mere reconnection needs no BootNotification (OCPP-J 1.6, 5.4).
        """
        self._phase = SimulatorState.booting
        await line.register()
        self._phase = SimulatorState.available
        self._was_online, self._failures = True, 0
        self.station.online.set()
        self._tell("connected")
        await self.station.announce_all()
        await self.station.settle_up()
        heart = asyncio.create_task(line.heartbeats())
        try:
            await (self._visits.receive() if self.config.autostart else asyncio.Event().wait())
            while tasks := [charge.task for charge in self.station.charges if charge.task]:
                await asyncio.wait(tasks)
        finally:
            heart.cancel()

    def _tell(self, text: str) -> None:
        LOGGER.info("%s: %s", self.config.charge_point_id, text)
        if self._on_event:
            self._on_event(self, text)
