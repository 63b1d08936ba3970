"""The yardstick: the bare ``ocpp`` and ``websockets`` packages at their fastest, with empty handlers.

Run as ``python -m scripts.benchmark.bare PORT``.
"""

import asyncio
import itertools
import sys
from datetime import UTC, datetime
from typing import Any

import ocpp.messages
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

# Validation stays on but leaves the thread pool: half as fast again.
ocpp.messages.ASYNC_VALIDATION = False

_ACCEPTED = {"status": "Accepted"}
_transaction_ids = itertools.count(1)


class Bare(ChargePoint):
    """A charge point whose every request is granted and forgotten."""

    @on(Action.boot_notification)
    def on_boot_notification(self, **_: Any) -> call_result.BootNotification:
        """Accept the charger."""
        return call_result.BootNotification(datetime.now(UTC).isoformat(), 300, "Accepted")

    @on(Action.status_notification)
    def on_status_notification(self, **_: Any) -> call_result.StatusNotification:
        """Take note of nothing."""
        return call_result.StatusNotification()

    @on(Action.authorize)
    def on_authorize(self, **_: Any) -> call_result.Authorize:
        """Accept the tag."""
        return call_result.Authorize(_ACCEPTED)

    @on(Action.start_transaction)
    def on_start_transaction(self, **_: Any) -> call_result.StartTransaction:
        """Hand out the next number."""
        return call_result.StartTransaction(next(_transaction_ids), _ACCEPTED)

    @on(Action.meter_values)
    def on_meter_values(self, **_: Any) -> call_result.MeterValues:
        """Take note of nothing."""
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop_transaction(self, **_: Any) -> call_result.StopTransaction:
        """Accept the end."""
        return call_result.StopTransaction(_ACCEPTED)


async def _charge_point(connection: ServerConnection) -> None:
    path = connection.request.path if connection.request else "/"
    try:
        await Bare(path.rsplit("/", 1)[-1], connection).start()
    except ConnectionClosed:
        return


async def main(port: int) -> None:
    """Serve until killed. Keep-alive is off: one thing less to do than a real server has."""
    protocols = [Subprotocol("ocpp1.6")]
    options: dict[str, Any] = {"ping_interval": None, "compression": None, "backlog": 4096}
    async with serve(_charge_point, "127.0.0.1", port, subprotocols=protocols, **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
