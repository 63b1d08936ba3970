"""The file broker: Celery's messages as files in a folder, without the traps of kombu's own.

That writes a message in place, so a worker can meet half of one (on a full disk for good), and ends of it. It
also sorts the whole folder for each message, and makes a worker that is told to stop wait for seconds.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import defaultdict, deque
from contextlib import suppress
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem, virtual
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)

# Seconds between two looks into the folder; also how long a worker takes to notice that it shall stop.
LOOK_S = 0.25


class Channel(filesystem.Channel):
    """Reads and writes whole messages only."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Queue → names of its messages that the last look into the folder found.
        self._found: defaultdict[str, deque[str]] = defaultdict(deque)

    def _put(self, queue: str, payload: Any, **_options: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        draft = os.path.join(self.data_folder_out, f".{name}")
        try:
            with open(draft, "wb") as out:
                out.write(str_to_bytes(dumps(payload)))
            os.rename(draft, os.path.join(self.data_folder_out, name))
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise ChannelError(f"a message could not be written: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        found = self._found[queue]
        if not found:
            found.extend(name for name in sorted(os.listdir(self.data_folder_in)) if _queue_of(name) == queue)
        while found:
            name = found.popleft()
            text = self._taken(name)
            if text is None:
                continue
            try:
                return loads(bytes_to_str(text))
            except ValueError:
                log.warning("a message of the broker is broken and was dropped: %s", name)
        raise Empty

    def get_table(self, exchange: str) -> list[Any]:
        """Which queues an exchange feeds; none when its file is broken, and then it is written anew."""
        try:
            return list(super().get_table(exchange))
        except ValueError:
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        known = self.get_table(exchange)
        if binding in known:
            return
        file = self._exchange_file(exchange)
        file.parent.mkdir(exist_ok=True)
        draft = file.with_name(f".{uuid.uuid4()}")
        draft.write_bytes(str_to_bytes(dumps([binding, *known])))
        draft.replace(file)

    def _taken(self, name: str) -> bytes | None:
        """The text of a message, which is this worker's now; None when another was quicker."""
        mine = os.path.join(self.processed_folder, name)
        try:
            os.rename(os.path.join(self.data_folder_in, name), mine)
        except FileNotFoundError:
            return None
        with open(mine, "rb") as file:
            text = file.read()
        os.unlink(mine)
        return text


class Transport(filesystem.Transport):
    """The transport that a broker setting names: ``app.file_broker:Transport``."""

    Channel = Channel
    polling_interval = LOOK_S

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # kombu remembers bindings for the whole process, also those of another folder.
        self.state = virtual.BrokerState()

    def drain_events(self, connection: Any, timeout: float | None = None, **_options: Any) -> Any:
        """Wait for a message; come back soon, so that who waits may be told to stop."""
        return super().drain_events(connection, timeout=min(timeout or LOOK_S, LOOK_S))


def _queue_of(name: str) -> str:
    """The queue that a message's file belongs to; empty for a file that is none, or not finished."""
    stem, _, rest = name.partition(".")
    return rest.removesuffix(".msg") if stem and rest.endswith(".msg") else ""


def waiting(folder: str, queues: tuple[str, ...]) -> dict[str, int]:
    """How many messages each queue holds."""
    names = [_queue_of(name) for name in os.listdir(folder)]
    return {queue: names.count(queue) for queue in queues}
