"""A central system for the simulator's tests: the `ocpp` package's own, over loopback, and none of ours."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.messages import unpack
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig

NOW = "2026-01-01T00:00:00Z"
# Fast enough for a test, slow enough to be seen charging.
QUICK: dict[str, Any] = {"duration": 0.3, "interval": 0.05, "reconnect_pause": 0.02}


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test's coroutine, ten seconds at most."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(10):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


class CentralSystem(ChargePoint):
    """One connection, seen from the central system; everything received has passed the schemas."""

    def __init__(self, central: "Central", websocket: ServerConnection) -> None:
        super().__init__(websocket.request.path, websocket, response_timeout=3)
        self.central = central
        self.websocket = websocket

    async def route_message(self, raw_msg: str) -> None:
        self.central.frames.append(json.loads(raw_msg))
        await super().route_message(raw_msg)

    async def _handle_call(self, msg: Any) -> None:
        if msg.action in self.central.deaf_to:
            return
        if self.central.errors.get(msg.action, 0):
            self.central.errors[msg.action] -= 1
            await self._send(
                unpack(json.dumps([2, msg.unique_id, msg.action, {}])).create_call_error(OSError()).to_json()
            )
            return
        await super()._handle_call(msg)

    def _heard(self, action: str, payload: dict[str, Any]) -> None:
        self.central.log.append((action, payload))
        self.central.news.set()

    @on(Action.boot_notification)
    def on_boot(self, **payload: Any) -> call_result.BootNotification:
        self._heard("BootNotification", payload)
        status = self.central.registrations.pop(0) if self.central.registrations else "Accepted"
        return call_result.BootNotification(NOW, self.central.interval, status)

    @on(Action.authorize)
    def on_authorize(self, **payload: Any) -> call_result.Authorize:
        self._heard("Authorize", payload)
        return call_result.Authorize({"status": self.central.authorize_status})

    @on(Action.start_transaction)
    def on_start(self, **payload: Any) -> call_result.StartTransaction:
        self._heard("StartTransaction", payload)
        self.central.transactions += 1
        return call_result.StartTransaction(self.central.transactions, {"status": self.central.start_status})


def _listener(action: Action) -> Callable[..., Any]:
    answer = getattr(call_result, action)
    needs_time = {"current_time": NOW} if action == Action.heartbeat else {}
    answers = {Action.data_transfer: {"status": "Accepted"}, Action.sign_certificate: {"status": "Accepted"}}

    def heard(self: CentralSystem, **payload: Any) -> Any:
        self._heard(action, payload)
        return answer(**answers.get(action, needs_time))

    heard.__name__ = f"on_{action.name}"
    return on(action)(heard)


for _action in (
    Action.heartbeat,
    Action.status_notification,
    Action.meter_values,
    Action.stop_transaction,
    Action.diagnostics_status_notification,
    Action.firmware_status_notification,
    Action.log_status_notification,
    Action.signed_firmware_status_notification,
    Action.sign_certificate,
):
    setattr(CentralSystem, f"on_{_action.name}", _listener(_action))


class Central:
    """What the central system answers, and what it has heard."""

    def __init__(self) -> None:
        self.port = 0
        self.interval = 60
        self.registrations: list[str] = []
        self.authorize_status = self.start_status = "Accepted"
        self.transactions = 0
        self.errors: dict[str, int] = {}  # how many CALLERRORs an action gets first
        self.deaf_to: set[str] = set()
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.frames: list[Any] = []
        self.news = asyncio.Event()
        self.lines: list[CentralSystem] = []

    @property
    def line(self) -> CentralSystem:
        return self.lines[-1]

    async def serve(self, websocket: ServerConnection) -> None:
        line = CentralSystem(self, websocket)
        self.lines.append(line)
        with suppress(ConnectionClosed):
            await line.start()

    async def ask(self, request: Any) -> Any:
        """Send a command; the answer has passed its schema."""
        return await self.line.call(request, suppress=False)

    def all(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        """The payloads heard for an action, those with the given fields."""
        return [
            payload
            for name, payload in self.log
            if name == action and all(payload.get(key) == value for key, value in fields.items())
        ]

    async def heard(self, action: str, times: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait until an action with these fields has come so many times; return the last."""
        while len(found := self.all(action, **fields)) < times:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 3)
        return found[-1]

    def statuses(self, connector_id: int = 1) -> list[str]:
        return [payload["status"] for payload in self.all("StatusNotification", connector_id=connector_id)]


@asynccontextmanager
async def central_system(port: int = 0, **options: Any) -> AsyncIterator[Central]:
    """Serve on a free port of loopback."""
    central = Central()
    async with serve(central.serve, "127.0.0.1", port, subprotocols=["ocpp1.6"], **options) as server:
        central.port = server.sockets[0].getsockname()[1]
        yield central


@asynccontextmanager
async def charge_point(central: Central, **settings: Any) -> AsyncIterator[ChargePointSimulator]:
    """A simulator that runs beside the test and is stopped after it."""
    simulator = ChargePointSimulator(SimulatorConfig(ws_port=central.port, **{**QUICK, **settings}))
    task = asyncio.create_task(simulator.run())
    try:
        yield simulator
    finally:
        simulator.request_stop(grace_s=0.5)
        await task


@asynccontextmanager
async def idle_charge_point(**settings: Any) -> AsyncIterator[Central]:
    """A central system with one charge point that waits to be told what to do."""
    async with central_system() as central, charge_point(central, autostart=False, **settings):
        await central.heard("StatusNotification", connector_id=settings.get("connectors", 1))
        central.log.clear()
        yield central


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def start_charge(central: Central, connector_id: int = 1, **fields: Any) -> int:
    """Start a charge by command; return its transaction's id."""
    answer = await central.ask(
        call.RemoteStartTransaction(id_tag="CAFE", connector_id=connector_id, **fields)
    )
    assert answer.status == "Accepted"
    await central.heard("StatusNotification", connector_id=connector_id, status="Charging")
    return central.transactions
