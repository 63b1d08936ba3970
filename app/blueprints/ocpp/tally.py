"""What a process counts on the message path; with Redis, the sums of all processes.

Counting is one addition in a dictionary. A process of several adds what it has counted to the sums in Redis
now and then, so that nothing is counted backwards when it ends: whichever is asked tells the same.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.presence import Away

# Seconds between two additions to the sums; as old may be what is told of other processes.
SHARE_S = 5.0
# Of a process's own numbers that rise and fall, unless it renews them.
FORGET_S = 20
SUMS, WAITING = "constellation:tally", "constellation:waiting"
# Upper bounds of the batches' sizes and times.
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

# What is counted, and its labels.
Key = tuple[str | int, ...]


class Tally:
    """The counts of this process."""

    __slots__ = ("_lock", "counts")

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def message(self, action: str, result: str) -> None:
        """A charge point's message has been answered. Called by the journal's threads alone."""
        self.counts["message", action, result] += 1

    def batch(self, size: int, seconds: float) -> None:
        """The journal has stored this many operations at once. Called by its threads alone."""
        counts = self.counts
        counts["batch size", bisect_left(SIZES, size)] += 1
        counts["batch time", bisect_left(SECONDS, seconds)] += 1
        counts["batched",] += size
        counts["batch us",] += int(seconds * 1_000_000)

    def command(self, action: str, result: str) -> None:
        """A command of ours has come to its end."""
        with self._lock:
            self.counts["command", action, result] += 1


class Shared:
    """The sums of all processes, in Redis; of this process alone where there is no Redis, or it is away."""

    def __init__(self, tally: Tally, bus: Bus | None, waiting: Callable[[], int]) -> None:
        self._tally, self._bus, self._waiting = tally, bus, waiting
        self._shared: Counter[Key] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Share from now on."""
        if self._bus is not None:
            threading.Thread(target=self._keep, name="tally", daemon=True).start()

    def close(self) -> None:
        """The process ends: share the last of it."""
        if self._bus is None or self._ended.is_set():
            return
        self._ended.set()
        with suppress(Away):
            self.share(waiting=0)

    def share(self, waiting: int | None = None) -> None:
        """Add what has been counted since the last time. Raises ``Away``."""
        assert self._bus is not None
        with self._lock, self._bus.talk() as client:
            now = Counter(dict(self._tally.counts))
            pipe = client.pipeline()
            for key, count in (now - self._shared).items():
                pipe.hincrby(SUMS, json.dumps(key), count)
            count = self._waiting() if waiting is None else waiting
            pipe.hset(WAITING, self._bus.process, f"{count} {time.time()}")
            pipe.execute()
            self._shared = now

    def read(self) -> tuple[Mapping[Key, int], int]:
        """The sums, and how many operations wait."""
        if self._bus is None:
            return dict(self._tally.counts), self._waiting()
        try:
            self.share()
            with self._bus.talk() as client:
                sums, waiting = client.hgetall(SUMS), client.hgetall(WAITING)
        except Away:
            return dict(self._tally.counts), self._waiting()
        return {tuple(json.loads(key)): int(count) for key, count in sums.items()}, self._alive(waiting)

    def _alive(self, told: Mapping[Any, Any]) -> int:
        """The sum over the processes that live; the others are forgotten."""
        assert self._bus is not None
        counts = {process: str(text).split() for process, text in told.items()}
        dead = [process for process, (_, at) in counts.items() if time.time() - float(at) > FORGET_S]
        if dead:
            with suppress(Away), self._bus.talk() as client:
                client.hdel(WAITING, *dead)
        return sum(int(count) for process, (count, _) in counts.items() if process not in dead)

    def _keep(self) -> None:
        while not self._ended.wait(SHARE_S):
            with suppress(Away):
                self.share()
