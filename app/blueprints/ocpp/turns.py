"""Work that may wait goes through the event loop before every step, so that messages come in between.

A hundred handshakes that become ready together would else be a tenth of a second in which nobody is heard.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any

# Where everybody is busy, handshakes get one step for so much time of the others, and never more at once.
SHARE_S = 0.004
AT_ONCE = 5


class Turns:
    """The turns of one process: one step in each round of the loop.

    In the order of asking; those who begin by address in turn, so that one that asks without end delays
    itself. Threads need none of it: the system lets them run in turn.
    """

    def __init__(self) -> None:
        # Who has begun goes on before others begin.
        self._going_on: deque[threading.Event] = deque()
        # By address; the one whose turn it is stands first.
        self._beginning: dict[str, deque[threading.Event]] = {}
        self._bell: Any = None
        self._last_at = 0.0

    def __len__(self) -> int:
        return len(self._going_on) + sum(map(len, self._beginning.values()))

    def go_on(self) -> None:
        """Wait for a turn, in the midst of something."""
        if _on_a_loop():
            self._ask(self._going_on).wait()

    def begin(self, patience_s: float, address: str = "") -> bool:
        """Wait for a turn to begin something for somebody there; whether it came in time."""
        if not _on_a_loop():
            return True
        mine = self._ask(self._beginning.setdefault(address, deque()))
        # It may come at the very end of the patience: the wait has failed, and yet it is ours.
        if mine.wait(patience_s) or mine.is_set():
            return True
        self._beginning[address].remove(mine)
        if not self._beginning[address]:
            del self._beginning[address]
        return False

    def _ask(self, queue: deque[threading.Event]) -> threading.Event:
        mine = threading.Event()
        queue.append(mine)
        self._ring()
        return mine

    def _ring(self) -> None:
        """Have the loop look at its sockets, without waiting for them, and then call ``_give``."""
        if self._bell is None:
            from gevent import get_hub

            self._bell = get_hub().loop.async_()
            self._bell.start(self._give)
            self._last_at = time.monotonic()
        self._bell.send()

    def _give(self) -> None:
        now = time.monotonic()
        for _ in range(max(1, min(int((now - self._last_at) / SHARE_S), AT_ONCE))):
            if self._going_on:
                self._going_on.popleft().set()
            elif self._beginning:
                self._begin_one()
        self._last_at = now
        if self._going_on or self._beginning:
            self._bell.send()

    def _begin_one(self) -> None:
        address = next(iter(self._beginning))
        queue = self._beginning.pop(address)
        queue.popleft().set()
        if queue:
            self._beginning[address] = queue


def _on_a_loop() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))
