"""What all groups of command handlers share."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from .connectors import Connector
from .station import Station


class Commands:
    """Handlers of the central system's commands; the payload's fields come as keyword arguments.

    A handler returns its answer at once. What the command sets going runs afterwards, when the answer is out:
    a handler that asked the central system something would wait for itself.
    """

    station: Station
    afterwards: list[Callable[[], object]]

    async def boot(self) -> Any:
        """Send a BootNotification; the connection knows how."""
        raise NotImplementedError

    def then(self, action: Callable[..., object], *arguments: object) -> None:
        """Call something once the answer is out."""
        self.afterwards.append(partial(action, *arguments))

    def then_run(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        """Let a coroutine function run beside the connection once the answer is out."""
        self.afterwards.append(lambda: self.station.spawn(work(*arguments)))

    def outlet(self, number: int | None) -> Connector | None:
        """The connector of that number, if it is one that a car fits into."""
        return self.station.connectors.get(number) if number else None
