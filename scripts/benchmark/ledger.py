"""What the servers acknowledged, and how quickly: the account that the database is later held against."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from scripts.benchmark.messages import ACTIONS, BOOT, START


@dataclass
class Ledger:
    """Everything a load has seen, from its first connection on."""

    acknowledged: list[int] = field(default_factory=lambda: [0] * len(ACTIONS))
    # Acknowledged transaction ids, and how many MeterValues were acknowledged for each.
    transactions: dict[int, int] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    # (message id, action) of calls without a CALLRESULT: the server may have stored them or not.
    unanswered: list[tuple[str, int]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    server_calls: int = 0
    last_boot_at: float = 0.0
    measuring: bool = False
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def calls(self) -> int:
        """How many calls got a CALLRESULT."""
        return sum(self.acknowledged)

    def answered(self, action: int, asked_at: float, answered_at: float) -> None:
        """Note a CALLRESULT; its latency counts while a window is being measured."""
        self.acknowledged[action] += 1
        if self.measuring:
            self.latencies_s.append(answered_at - asked_at)
        elif action == BOOT:
            self.last_boot_at = answered_at

    def started(self, transaction_id: int) -> None:
        """Note a transaction id; the same one twice is an error of the server's (E2)."""
        if transaction_id in self.transactions:
            self.errors["a transaction id was given twice"] += 1
        self.transactions.setdefault(transaction_id, 0)

    def lost(self, message_id: bytes, action: int) -> None:
        """Note a call that stays without a CALLRESULT."""
        self.unanswered.append((message_id.decode(), action))

    def unanswered_by(self, *actions: int) -> int:
        """How many calls of these actions stayed without a CALLRESULT."""
        return sum(action in actions for _, action in self.unanswered)

    @property
    def starts(self) -> int:
        """How many StartTransaction got a CALLRESULT."""
        return self.acknowledged[START]


@dataclass
class Window:
    """One measured stretch of load."""

    seconds: float
    calls: int
    p50_ms: float
    p99_ms: float
    generator_cpu: float  # share of one core; the generator is the limit when it nears 1

    @property
    def calls_per_s(self) -> float:
        """Answered calls per second."""
        return self.calls / self.seconds


def window(seconds: float, latencies_s: "array[float]", cpu_s: float) -> Window:
    """Sum up the calls that were answered within ``seconds``."""
    ordered = sorted(latencies_s)
    return Window(
        seconds=seconds,
        calls=len(ordered),
        p50_ms=_percentile(ordered, 0.50) * 1000,
        p99_ms=_percentile(ordered, 0.99) * 1000,
        generator_cpu=cpu_s / seconds,
    )


def _percentile(ordered: list[float], share: float) -> float:
    """Return the nearest-rank percentile, 0 when there is nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
