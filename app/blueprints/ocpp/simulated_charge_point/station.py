"""The station behind the connection: what it was made to keep, and its ways to speak."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from ocpp.v16 import call
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Reason

from .clock import timestamp
from .config import SimulatorConfig
from .configuration import Configuration
from .connectors import Charge, Connector, Job, Unsettled
from .errors import OFFLINE, CallFailed, ConnectionLost, Trouble
from .smart_charging import InstalledProfile, Profile

Keeper = Callable[[], Awaitable[bool]]


async def keep_nothing() -> bool:
    """What a charge point without a memory of its own does before it opens a transaction."""
    return True


class Line(Protocol):
    """A connection to the central system."""

    async def ask(self, request: object) -> Any:
        """Send a CALL and return its answer. Raises ConnectionLost or CallFailed."""


class Station:
    """Everything a charge point is apart from its connection; it outlives connections and reboots.

    ``tell`` receives what happens, in words. ``keep`` is waited for before a transaction is opened, so that
    ``memory`` can be written down; False: it could not be, and nothing more is to begin.
    """

    def __init__(self, config: SimulatorConfig, tell: Callable[[str], None], keep: Keeper) -> None:
        self.config = config
        self.tell = tell
        self.keep = keep
        self.trouble: Trouble | None = None
        self.firmware_updates = 0
        self.charges_done = 0
        self.configuration = Configuration(config.connectors, config.interval)
        self.configuration["AuthorizationKey"] = config.password or ""
        self.connectors = {number: Connector(number) for number in range(config.connectors + 1)}
        self.unsettled: list[Unsettled] = []
        self._recalled_wh = 0
        self.cache: dict[str, dict[str, str]] = {}
        self.local_list: dict[str, dict[str, str]] = {}
        self.local_list_version = 0
        self.profiles: list[InstalledProfile] = []
        # What each is for, and its CertificateHashData.
        self.certificates: list[tuple[str, dict[str, str]]] = []
        self.power_on()

    def power_on(self) -> None:
        """Start afresh with what a charge point remembers; the events belong to the loop that runs now."""
        self.line: Line | None = None
        self.online = asyncio.Event()
        self.halt_reason = Reason.local
        self.heartbeat_changed = asyncio.Event()
        for connector in self.connectors.values():
            connector.reservation = None  # nobody would have watched over its end
            connector.status = connector.resting_status
        self.jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        """Forget the registration, so that the next connection begins with a BootNotification."""
        self.rebooting = False
        self.halted = asyncio.Event()
        self.accepted = asyncio.Event()

    async def power_off(self) -> bool:
        """End whatever still runs. Return whether every transaction's end was delivered."""
        lost = self._open()
        for one in lost:
            self.fail(one.trouble)
        self.unsettled += lost
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hang_up()
        return not lost

    def hang_up(self) -> None:
        """Be offline: transaction messages wait, the rest is not sent."""
        self.line = None
        self.online.clear()

    @property
    def registered(self) -> bool:
        """Whether the central system has accepted the boot."""
        return self.accepted.is_set()

    @property
    def outlets(self) -> list[Connector]:
        """The connectors that a car fits into."""
        return [connector for number, connector in self.connectors.items() if number > 0]

    @property
    def charges(self) -> list[Charge]:
        """The charges under way."""
        return [connector.charge for connector in self.outlets if connector.charge]

    @property
    def energy_wh(self) -> int:
        """Delivered since the simulator was made, all connectors together."""
        return sum(connector.reading_wh for connector in self.outlets) - self._recalled_wh

    def set_heartbeat(self, interval_s: int) -> None:
        """Take the interval that BootNotification.conf names; 0 leaves it to us (OCPP 1.6, 4.2)."""
        if interval_s > 0:
            self.configuration["HeartbeatInterval"] = str(interval_s)
        self.heartbeat_changed.set()

    def fail(self, trouble: Trouble) -> None:
        """Keep and tell what went wrong."""
        self.trouble = trouble
        self.tell(str(trouble))

    def halt(self, reason: Reason) -> None:
        """Ask the session to end its charges for a reason and hang up."""
        self.halt_reason = reason
        self.halted.set()

    def restart(self, reason: Reason) -> None:
        """Halt, and come back with a boot."""
        self.rebooting = True
        self.halt(reason)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the connection; a failed message there is noted and ends only itself."""
        task = asyncio.create_task(self._noting_failure(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _noting_failure(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (ConnectionLost, CallFailed) as error:
            self.fail(error)

    # What a charge point knows after a power cut

    def memory(self, in_s: float) -> dict[str, Any]:
        """The registers of the meters and the transactions not yet settled, as JSON can hold them."""
        meters = {str(outlet.number): outlet.reading_in(in_s) for outlet in self.outlets}
        unsettled = (*self.unsettled, *self._open(in_s))
        return {"meters": meters, "unsettled": [asdict(one) for one in unsettled]}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Know again what an earlier run of this charge point knew."""
        for number, meter_wh in memory.get("meters", {}).items():
            if outlet := self.connectors.get(int(number)):
                outlet.meter_wh = meter_wh
                self._recalled_wh += meter_wh
        self.unsettled = [Unsettled(**one) for one in memory.get("unsettled", ())]

    def _open(self, in_s: float = 0) -> list[Unsettled]:
        return [one for outlet in self.outlets if (one := outlet.unsettled_in(in_s))]

    # Speaking

    async def ask(self, request: object) -> Any:
        """Send a CALL over the connection there is. Raises ConnectionLost or CallFailed."""
        if self.line is None:
            raise ConnectionLost(OFFLINE)
        return await self.line.ask(request)

    async def report(self, request: object) -> None:
        """Send what need not arrive; a failure is noted, and nothing is sent while offline."""
        if not self.online.is_set():
            return
        try:
            await self.ask(request)
        except ConnectionLost:
            return
        except CallFailed as error:
            self.fail(error)

    async def deliver(self, request: object) -> Any:
        """Send a transaction's message until it is answered, over as many connections as it takes.

        A CALLERROR is retried as TransactionMessageAttempts says, then CallFailed rises (OCPP 1.6, 3.7.1).
        """
        failures = 0
        while True:
            await self.online.wait()
            try:
                return await self.ask(request)
            except ConnectionLost:
                await asyncio.sleep(0.01)  # until the session has noticed too
            except CallFailed:
                failures += 1
                if failures >= int(self.configuration["TransactionMessageAttempts"]):
                    raise
                await asyncio.sleep(failures * int(self.configuration["TransactionMessageRetryInterval"]))

    async def settle_up(self) -> None:
        """Tell the ends of transactions that the power failed in, or that nobody was there to hear of."""
        while self.unsettled:
            one = self.unsettled[0]
            try:
                await self._settle(one)
            except CallFailed as error:
                self.fail(error)
            self.unsettled.remove(one)

    async def _settle(self, one: Unsettled) -> None:
        """End a transaction; where its id was never heard, the same StartTransaction tells it."""
        transaction_id = one.transaction_id
        if one.start is not None:
            transaction_id = (await self.deliver(call.StartTransaction(**one.start))).transaction_id
        await self.deliver(
            call.StopTransaction(
                meter_stop=one.meter_wh,
                timestamp=one.ended_at,
                transaction_id=transaction_id,
                reason=Reason(one.reason),
            )
        )

    async def show(self, connector: Connector, status: ChargePointStatus) -> None:
        """Set a connector's status and send its StatusNotification."""
        connector.status = status
        await self.announce(connector)

    async def settle(self, connector: Connector) -> None:
        """Show what a connector is at rest; while it charges, that waits for the charge's end."""
        if not connector.charge:
            await self.show(connector, connector.resting_status)

    async def announce(self, connector: Connector) -> None:
        """Send a connector's StatusNotification as it is."""
        await self.report(status_notification(connector))

    async def announce_all(self) -> None:
        """Send every connector's status, connector 0 first (OCPP 1.6, 4.2)."""
        for connector in self.connectors.values():
            await self.announce(connector)

    # Who may charge where

    def outlet_for(self, id_tag: str, number: int | None = None) -> Connector | None:
        """A connector that this id tag can use now: the one asked for, one reserved for it, a free one."""
        usable = [
            outlet
            for outlet in self.outlets
            if number in (None, outlet.number)
            and outlet.operative
            and not outlet.charge
            and self._may_use(outlet, id_tag)
        ]
        return max(usable, key=lambda outlet: outlet.reservation is not None, default=None)

    def _may_use(self, outlet: Connector, id_tag: str) -> bool:
        reservation = outlet.reservation
        if reservation is None or reservation.id_tag.upper() == id_tag.upper():
            return True
        parent = self.cache.get(id_tag.upper(), {}).get("parent_id_tag")
        return parent is not None and parent == reservation.parent_id_tag

    def plug_in(
        self, connector: Connector, id_tag: str, *, authorize: bool, profile: Profile | None = None
    ) -> Charge:
        """Put a new charge on a free connector; it uses up the reservation."""
        reservation, connector.reservation = connector.reservation, None
        connector.charge = Charge(
            id_tag=id_tag,
            target_wh=1000 * self.config.energy_kwh(),
            duration_s=self.config.duration,
            meter_start_wh=connector.meter_wh,
            authorize=authorize,
            reservation_id=reservation.reservation_id if reservation else None,
            profile=profile,
        )
        return connector.charge


def status_notification(connector: Connector) -> call.StatusNotification:
    """What a connector tells of itself."""
    return call.StatusNotification(
        connector_id=connector.number,
        error_code=ChargePointErrorCode.no_error,
        status=connector.status,
        timestamp=timestamp(),
    )
