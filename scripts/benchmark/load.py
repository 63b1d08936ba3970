"""The load: many chargers in one process on one epoll, cheap enough not to be the limit.

    with Load(port=8000, chargers=20) as load:
        load.connect()                 # handshake, Boot, Status
        window = load.run(seconds=5)   # the cycle, closed loop
        load.drain()                   # every call answered: load.ledger is exact

Tests use it as well as the benchmark.
"""

import gc
import heapq
import resource
import select
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Self

from scripts.benchmark.charger import Charger, HungUp, Pace
from scripts.benchmark.frames import ProtocolError
from scripts.benchmark.ledger import Ledger, Window, window
from scripts.benchmark.messages import CYCLE, STATUS

RETRY_AFTER_S = 0.5
_STEP_S = 0.05  # how often a wait looks at the clock when the sockets are quiet


def raise_file_limit() -> int:
    """Allow this process, and children started later, as many open files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@dataclass
class Arrival:
    """How a crowd of chargers came in."""

    wanted: int
    served: int
    seconds: float  # until the last Boot.conf
    retries: int


class Load:
    """A crowd of chargers that speak to one server."""

    def __init__(
        self, port: int, chargers: int = 100, host: str = "127.0.0.1", path: str = "/bench/BENCH-", *,
        first: int = 0, cycle: Sequence[int] = CYCLE,
    ) -> None:  # fmt: skip
        raise_file_limit()
        self.ledger = Ledger()
        self._pace = Pace()
        self._poll = select.epoll()
        self._by_descriptor: dict[int, Charger] = {}
        self._retries: list[tuple[float, int]] = []
        self._retrying, self._first = False, first
        self.chargers = [
            Charger(index, (host, port), f"{path}{index:05}", self._poll, self.ledger, self._pace, cycle)
            for index in range(first, first + chargers)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a caller does with it.

    def connect(self, timeout_s: float = 60, together: int | None = 100) -> Arrival:
        """Bring every charger that is offline through handshake, Boot and Status.

        At most ``together`` at once; None is a storm. One that is turned away
        tries again after half a second, as long as the time lasts.
        """
        ledger, began = self.ledger, perf_counter()
        before, tried_again = ledger.acknowledged[STATUS], ledger.retries.total()
        offline = [charger for charger in self.chargers if not charger.online]
        self._retrying = True
        self._bring_in(deque(offline), began + timeout_s, together or len(offline))
        self._retrying = False
        self._retries.clear()
        served = ledger.acknowledged[STATUS] - before
        if served < len(offline):
            ledger.errors["chargers that were never served"] += len(offline) - served
        seconds = ledger.last_boot_at - began if served else 0.0
        return Arrival(len(offline), served, seconds, ledger.retries.total() - tried_again)

    def run(self, seconds: float, then: Callable[[], None] | None = None) -> Window:
        """Drive every connected charger through its cycle for so long, and measure; leaves calls open.

        ``then`` happens at the end, while the server is in the midst of its work.
        """
        ledger = self.ledger
        ledger.latencies_s = array("d")
        ledger.measuring = self._pace.issuing = True
        with _without_collector():
            began, cpu = perf_counter(), process_time()
            self._guard(self.chargers, lambda charger: charger.online and not charger.busy, Charger.proceed)
            self._poll_until(began + seconds, lambda: False)
            if then is not None:
                then()
            took, cpu = perf_counter() - began, process_time() - cpu
        ledger.measuring = self._pace.issuing = False
        return window(took, ledger.latencies_s, cpu)

    def each(self) -> None:
        """Let every connected charger ask the next thing of its cycle, once, and wait for the answers."""
        self._guard(self.chargers, lambda charger: charger.online and not charger.busy, Charger.proceed)
        self.drain()

    def keep_pace(self, interval_s: float, seconds: float) -> Window:
        """Let every charger ask once an interval, evenly spread, whatever the others do; measure.

        One whose answer is not there by its next turn is an error: it misses that turn.
        """
        ledger, count = self.ledger, len(self.chargers)
        ledger.latencies_s = array("d")
        ledger.measuring = True
        with _without_collector():
            began, cpu, turn = perf_counter(), process_time(), 0
            while (now := perf_counter()) < began + seconds:
                while (due := began + turn * interval_s / count) <= now:
                    self._guard([self.chargers[turn % count]], self._may_take_its_turn, Charger.proceed)
                    turn += 1
                self._tick(due)
            took, cpu = perf_counter() - began, process_time() - cpu
        ledger.measuring = False
        return window(took, ledger.latencies_s, cpu)

    def _may_take_its_turn(self, charger: Charger) -> bool:
        if charger.online and charger.busy:
            self.ledger.errors["a call was not answered by its charger's next turn"] += 1
        return charger.online and not charger.busy

    def idle(self, seconds: float) -> None:
        """Stay connected and silent; the server's pings are answered."""
        self._poll_until(perf_counter() + seconds, lambda: False)

    def drain(self, timeout_s: float = 30) -> None:
        """Let every open call be answered and start no other; what stays open is an error."""
        deadline = perf_counter() + timeout_s
        self._poll_until(deadline, lambda: not any(charger.busy for charger in self.chargers))
        if silent := sum(charger.busy for charger in self.chargers):
            self.ledger.errors["calls that were never answered"] += silent

    def outlive(self, timeout_s: float = 10) -> None:
        """Read what the server had sent until it is gone from every socket; its death is no error."""
        errors = self.ledger.errors.copy()
        self._poll_until(perf_counter() + timeout_s, lambda: not self._by_descriptor)
        self.drop()
        self.ledger.errors = errors

    def drop(self) -> None:
        """Hang up on every charger at once, without a word."""
        for charger in self.chargers:
            self._forget(charger)

    def close(self) -> None:
        """Drop everybody and free the poll."""
        if not self._poll.closed:
            self.drop()
            self._poll.close()

    @property
    def connected(self) -> int:
        """How many chargers have a socket."""
        return len(self._by_descriptor)

    def acknowledged_ids(self) -> Iterator[str]:
        """Yield the message ids of all calls that got a CALLRESULT."""
        unanswered = {message_id for message_id, _ in self.ledger.unanswered}
        for charger in self.chargers:
            for message_id in charger.message_ids():
                if message_id not in unanswered:
                    yield message_id

    # How it turns.

    def _bring_in(self, waiting: deque[Charger], deadline: float, together: int) -> None:
        """Open connections, ``together`` at most that are not served yet, until all are or the time is up."""
        acknowledged, opened, wanted = self.ledger.acknowledged, 0, len(waiting)
        before = acknowledged[STATUS]
        while perf_counter() < deadline and (served := acknowledged[STATUS] - before) < wanted:
            while waiting and opened - served < together:
                self._open(waiting.popleft())
                opened += 1
            self._tick(deadline)

    def _poll_until(self, deadline: float, done: Callable[[], bool]) -> None:
        while perf_counter() < deadline and not done():
            self._tick(deadline)

    def _tick(self, deadline: float) -> None:
        """Serve the sockets that have something, once."""
        by_descriptor = self._by_descriptor
        timeout = max(0.0, min(_STEP_S, deadline - perf_counter()))
        for descriptor, _ in self._poll.poll(timeout):
            charger = by_descriptor.get(descriptor)
            if charger is None:
                continue
            try:
                charger.on_event()
            except (OSError, HungUp, ProtocolError) as error:
                self._lost(charger, error)
        if self._retries:
            self._reopen()

    def _guard(
        self, chargers: list[Charger], wanted: Callable[[Charger], bool], act: Callable[[Charger], None]
    ) -> None:
        """Let each of these act; one whose socket is gone meanwhile must not end the run."""
        for charger in filter(wanted, chargers):
            try:
                act(charger)
            except (OSError, HungUp) as error:
                self._lost(charger, error)

    def _open(self, charger: Charger) -> None:
        try:
            self._by_descriptor[charger.connect()] = charger
        except OSError as error:
            self._lost(charger, error)

    def _lost(self, charger: Charger, error: Exception) -> None:
        """Try again while connecting; later, a lost socket is an error of the server's."""
        was_online = charger.online
        self._forget(charger)
        if self._retrying and not was_online:
            self.ledger.retries[str(error)] += 1
            heapq.heappush(self._retries, (perf_counter() + RETRY_AFTER_S, charger.index))
        else:
            self.ledger.errors[f"lost a charger: {error}"] += 1

    def _reopen(self) -> None:
        while self._retries and self._retries[0][0] <= perf_counter():
            self._open(self.chargers[heapq.heappop(self._retries)[1] - self._first])

    def _forget(self, charger: Charger) -> None:
        descriptor = charger.hang_up()
        if descriptor >= 0:
            del self._by_descriptor[descriptor]


class _without_collector:
    """The load makes no cycles; a collection in its middle would only be a hiccup in the latencies."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
