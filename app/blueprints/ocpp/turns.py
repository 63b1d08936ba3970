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
    """The turns of one process: one step in each round of the loop; in the order of asking.

    Threads need none: the system lets them run in turn.
    """

    def __init__(self) -> None:
        # Who has begun goes on before others begin.
        self._going_on: deque[threading.Event] = deque()
        self._beginning: deque[threading.Event] = deque()
        self._bell: Any = None
        self._last_at = 0.0

    def __len__(self) -> int:
        return len(self._going_on) + len(self._beginning)

    def go_on(self) -> None:
        """Wait for a turn, in the midst of something."""
        if _on_a_loop():
            self._ask(self._going_on).wait()

    def begin(self, patience_s: float) -> bool:
        """Wait for a turn to begin something; whether it came in time."""
        if not _on_a_loop():
            return True
        mine = self._ask(self._beginning)
        # It may come at the very end of the patience: the wait has failed, and yet it is ours.
        if mine.wait(patience_s) or mine.is_set():
            return True
        self._beginning.remove(mine)
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
            queue = self._going_on or self._beginning
            if queue:
                queue.popleft().set()
        self._last_at = now
        if len(self):
            self._bell.send()


def _on_a_loop() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))
