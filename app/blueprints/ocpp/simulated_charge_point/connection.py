"""One connection of a simulated charge point: questions out, commands in, unbroken by bad frames."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ocpp import messages
from ocpp.exceptions import (
    NotImplementedError as ActionUnknown,
)
from ocpp.exceptions import (
    NotSupportedError as ActionNotSupported,
)
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from ocpp.v16 import ChargePoint, call
from ocpp.v16.enums import Action, RegistrationStatus
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from .clock import happens
from .core import CoreCommands
from .errors import FAILED, LOST, NO_ANSWER, CallFailed, ConnectionLost
from .maintenance import MaintenanceCommands
from .profiles import ProfileCommands
from .security import SecurityCommands
from .station import Station
from .triggers import TriggerCommands

SUBPROTOCOL = Subprotocol("ocpp1.6")
# A charge point that hangs up does not wait long for the other side to agree.
CLOSE_TIMEOUT_S = 0.8

LOGGER = logging.getLogger("ocpp.simulator")
# Without a log of its own, a program's terminal is not one.
LOGGER.addHandler(logging.NullHandler())
# Every frame, apart: hundreds of charge points fill a log with them.
FRAMES = LOGGER.getChild("frames")

# A schema check takes less time than its way to a thread and back.
messages.ASYNC_VALIDATION = False

# When the central system names no interval (OCPP 1.6, 4.2: the charge point chooses).
DEFAULT_BOOT_RETRY_S = 10


async def dial(station: Station) -> ClientConnection | None:
    """Open the station's websocket; None when the station is halted before it stands."""
    dialing, halted = asyncio.create_task(_open(station)), asyncio.create_task(station.halted.wait())
    try:
        await asyncio.wait({dialing, halted}, return_when=asyncio.FIRST_COMPLETED)
        return dialing.result() if dialing.done() else None
    finally:
        dialing.cancel()
        halted.cancel()


async def _open(station: Station) -> ClientConnection:
    config, settings = station.config, station.configuration
    return await connect(
        config.url,
        subprotocols=[SUBPROTOCOL],
        additional_headers=config.headers(settings["AuthorizationKey"]),
        compression=None,  # it would cost 300 kB a charge point
        proxy=None,  # it is mostly this machine that answers
        ping_interval=int(settings["WebSocketPingInterval"]) or None,
        close_timeout=CLOSE_TIMEOUT_S,
    )


class SimulatedChargePoint(
    CoreCommands, ProfileCommands, TriggerCommands, MaintenanceCommands, SecurityCommands, ChargePoint
):
    """The `ocpp` package's charge point on one websocket, speaking for a station that outlives it."""

    def __init__(self, station: Station, websocket: ClientConnection) -> None:
        config = station.config
        super().__init__(
            config.charge_point_id, websocket, response_timeout=config.call_timeout, logger=FRAMES
        )
        self.station = station
        self.afterwards: list[Callable[[], object]] = []
        self._reader: asyncio.Task[None] | None = None

    def listen(self) -> asyncio.Task[None]:
        """Begin to read; the task returned ends with the connection."""
        self._reader = asyncio.create_task(self.start())
        return self._reader

    async def ask(self, request: object) -> Any:
        """Send a CALL and return its answer; it fails at once when the connection ends.

        Raises ConnectionLost or CallFailed.
        """
        question = asyncio.create_task(self.call(request, suppress=False))
        try:
            await asyncio.wait({question, self._reader or question}, return_when=asyncio.FIRST_COMPLETED)
            if not question.done():
                raise ConnectionLost(LOST)
            return question.result()
        except ConnectionClosed as error:
            raise ConnectionLost(LOST) from error
        except TimeoutError as error:
            raise CallFailed(NO_ANSWER, action=type(request).__name__) from error
        except (OCPPError, UnknownCallErrorCodeError) as error:
            raise CallFailed(FAILED, action=type(request).__name__, error=error) from error
        finally:
            question.cancel()

    async def _get_specific_response(self, unique_id: str, timeout: float) -> Any:
        """Wait for one answer. The package recurses at each stray one; a loop stands a flood of them."""
        async with asyncio.timeout(timeout):
            while True:
                answer = await self._response_queue.get()
                if answer.unique_id == unique_id:
                    return answer

    async def route_message(self, raw_msg: str | bytes) -> None:
        """Handle a frame; one that nobody can read costs a log line and not the connection."""
        try:
            await super().route_message(raw_msg)
        except (TypeError, ValueError, AttributeError, RecursionError):
            LOGGER.warning("%s: unreadable frame", self.id, exc_info=True)

    async def _handle_call(self, msg: Any) -> None:
        """Answer a command, then do what it asked for."""
        if msg.action not in list(self.route_map):
            raise _refusal(msg.action)
        await super()._handle_call(msg)
        while self.afterwards:
            self.afterwards.pop(0)()

    # The life of a connection

    async def register(self) -> None:
        """Boot until the central system accepts, at the interval that it names (OCPP 1.6, 4.2)."""
        while not self.station.registered:
            answer = await self.boot()
            if not self.station.registered:
                self.station.tell(f"registration {answer.status}, asking again")
                again_s = answer.interval if answer.interval > 0 else DEFAULT_BOOT_RETRY_S
                await happens(self.station.accepted, again_s)

    async def boot(self) -> Any:
        """Send one BootNotification and keep what it says."""
        answer = await self.ask(
            call.BootNotification(
                charge_point_vendor="Simulator",
                charge_point_model="SIM-1",
                charge_point_serial_number=self.id[:25],
                firmware_version=f"1.0.{self.station.firmware_updates}",
            )
        )
        if answer.status == RegistrationStatus.accepted:
            self.station.set_heartbeat(answer.interval)
            self.station.accepted.set()
        return answer

    async def heartbeats(self) -> None:
        """Send Heartbeat at the interval told, also when that changes; 0 is never."""
        station = self.station
        while True:
            station.heartbeat_changed.clear()
            interval_s = int(station.configuration["HeartbeatInterval"])
            if not await happens(station.heartbeat_changed, interval_s or None):
                await station.report(call.Heartbeat())


def _refusal(action: object) -> OCPPError:
    """The CALLERROR for an action without a handler (OCPP-J 1.6, 4.2.3); the package has the two swapped."""
    if action in list(Action):
        return ActionNotSupported("This action is not for a charge point")
    return ActionUnknown("Unknown action")
