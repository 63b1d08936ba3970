"""What is measured: rounds of load, idle chargers, a storm, a kill. Each on an instance of its own."""

import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from scripts.benchmark import history, profile
from scripts.benchmark.database import Database, fresh_database
from scripts.benchmark.history import SHORT
from scripts.benchmark.ledger import Window
from scripts.benchmark.load import Arrival, Load
from scripts.benchmark.messages import AUTHORIZE
from scripts.benchmark.processes import Bare, Server, machine_cpu_s
from scripts.benchmark.rows import RowCheck, check_rows
from scripts.benchmark.server import Ours

_SETTLE_S = 3.0
# How often Authorize is measured on each of two accounts.
_TURNS = 5


@dataclass
class Options:
    """What the command line asked for."""

    chargers: int = 100
    seconds: float = 15
    warmup: float = 3
    rounds: int = 3
    idle: int = 5000
    storm: int = 5000
    history: int = 1_000_000
    readings: int = 1_000_000
    fleet: int = 10_000
    restless: int = 100
    drivers: bool = False
    processes: int = 1
    profile: bool = False
    postgres: str | None = None
    directory: Path = Path("/var/tmp")


@dataclass
class Outcome:
    """What every scenario leaves: the database's answer and what went wrong."""

    rows: list[RowCheck] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


@dataclass
class Round(Outcome):
    """One server under load once."""

    server: str = ""
    window: Window | None = None
    server_cpu: float = 0.0
    # Neither the server nor the generator: PostgreSQL, and whatever else the machine was doing.
    other_cpu: float = 0.0
    # Samples by place, when asked for.
    spent: Counter[str] = field(default_factory=Counter)


@dataclass
class Idle(Outcome):
    """What silent chargers weigh."""

    server: str = ""
    chargers: int = 0
    empty_kb: int = 0
    full_kb: int = 0

    @property
    def kb_per_charger(self) -> float:
        """Memory of one booted, silent charger beyond the empty server."""
        return (self.full_kb - self.empty_kb) / self.chargers if self.chargers else 0.0


@dataclass
class Storm(Outcome):
    """Everybody at once: as strangers, and again after all were dropped."""

    first: Arrival | None = None
    again: Arrival | None = None


@dataclass
class Authorizing(Outcome):
    """Authorize for a tag with a short history and for one with a long one, in turn."""

    long: int = 0
    # Median answer times of each turn.
    short_ms: list[float] = field(default_factory=list)
    long_ms: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Long over short: medians of the turns."""
        return median(self.long_ms) / median(self.short_ms)


@dataclass
class Metering(Outcome):
    """The load on an empty database and on one with a long history of readings, in turn."""

    readings: int = 0
    # Answered calls a second of each turn.
    empty: list[float] = field(default_factory=list)
    full: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """What a call costs with the history, over what it costs without: medians of the turns."""
        return median(self.empty) / median(self.full)


@dataclass
class Kill(Outcome):
    """SIGKILL in the middle of a load, and a new start."""

    calls_before: int = 0
    open_at_kill: int = 0
    restart_s: float = 0.0
    return_s: float = 0.0
    calls_after: int = 0


def rounds(options: Options) -> Iterator[Round]:
    """Yield ours, bare, ours, bare …: what the machine does meanwhile hits both alike."""
    for number in range(1, options.rounds + 1):
        say(f"round {number} of {options.rounds}: ours")
        with ours(options) as (server, database), Load(server.port, options.chargers) as load:
            if options.drivers:
                history.give_drivers(database, options.chargers)
            result = _load(options, server, load)
            server.stop()
            result.rows = check_rows(database, load)
            yield result
        say(f"round {number} of {options.rounds}: bare")
        with _bare(options) as yardstick, Load(yardstick.port, options.chargers) as load:
            yield _load(options, yardstick, load)


def calibrate(options: Options) -> Round:
    """Load a server that does next to nothing: what remains is the generator's own limit."""
    say("calibrating the generator")
    with _bare(options, "standin") as server, Load(server.port, options.chargers) as load:
        return _load(options, server, load)


def idle(options: Options) -> Iterator[Idle]:
    """Yield the memory of idle chargers with ours, then with bare."""
    say(f"{options.idle:,} idle chargers: ours")
    with ours(options) as (server, database), Load(server.port, options.idle) as load:
        result = _weigh(options, server, load)
        server.stop()
        result.rows = check_rows(database, load)
        yield result
    say(f"{options.idle:,} idle chargers: bare")
    with _bare(options) as yardstick, Load(yardstick.port, options.idle) as load:
        yield _weigh(options, yardstick, load)


def storm(options: Options) -> Storm:
    """Let everybody connect at once, drop everybody, and let everybody return at once."""
    say(f"storm of {options.storm:,}")
    with ours(options) as (server, database), Load(server.port, options.storm) as load:
        first = load.connect(timeout_s=120, together=None)
        load.drop()
        again = load.connect(timeout_s=120, together=None)
        load.idle(1)
        server.stop()
        return Storm(check_rows(database, load), dict(load.ledger.errors), first, again)


def authorize(options: Options) -> Authorizing:
    """Ask for two tags in turn, each several times; what the machine does meanwhile hits both alike."""
    say(f"Authorize, on an account with {SHORT} transactions and on one with {options.history:,}")
    result = Authorizing(long=options.history)
    with ours(options, OCPP_REQUIRE_RFID="1") as (server, database):
        history.give(database, options.history)
        for _ in range(_TURNS):
            for index, figures in enumerate((result.short_ms, result.long_ms)):
                with Load(server.port, 1, first=index, cycle=(AUTHORIZE,)) as load:
                    load.connect()
                    load.run(0.5)
                    figures.append(load.run(2.0).p50_ms)
                    load.drain()
                    result.errors.update(load.ledger.errors)
    return result


def metering(options: Options) -> Metering:
    """Load two servers in turn, one of them on a database that has seen a lot."""
    say(f"the load, on an empty database and on one with {options.readings:,} readings")
    result = Metering(readings=options.readings)
    with ours(options) as empty, ours(options) as full:
        loads = [Load(server.port, options.chargers) for server, _ in (empty, full)]
        with loads[0], loads[1]:
            for load in loads:
                load.connect()
                load.drop()  # nobody would answer pings for as long as the history takes
            history.give_readings(full[1], options.readings)
            for load in loads:
                load.connect()
            for _ in range(_TURNS):
                for load, figures in zip(loads, (result.empty, result.full), strict=True):
                    load.run(0.5)
                    figures.append(load.run(min(2.0, options.seconds)).calls_per_s)
                    load.drain()
            for load in loads:
                result.errors.update(load.ledger.errors)
    return result


def kill(options: Options) -> Kill:
    """Kill the server in the middle of a load and start it again: what it acknowledged must be there."""
    say("kill -9 in the middle of a load")
    with ours(options) as (server, database), Load(server.port, options.chargers) as load:
        load.connect()
        load.run(options.warmup + options.seconds / 2, then=server.kill)
        load.outlive()
        result = Kill(calls_before=load.ledger.calls, open_at_kill=len(load.ledger.unanswered))
        began = time.monotonic()
        server.start()
        result.restart_s = time.monotonic() - began
        result.return_s = load.connect().seconds
        result.calls_after = load.run(options.seconds / 2).calls
        load.drain()
        server.stop()
        result.rows, result.errors = check_rows(database, load), dict(load.ledger.errors)
        return result


def _load(options: Options, server: Server, load: Load) -> Round:
    load.connect()
    load.run(options.warmup)
    spent: Counter[str] = Counter()
    profiled = options.profile and server.name == "ours"
    machine, cpu = machine_cpu_s(), server.cpu_s()
    with profile.watching(server, options.seconds, spent) if profiled else contextlib.nullcontext():
        window = load.run(options.seconds)
    machine, cpu = (machine_cpu_s() - machine) / window.seconds, (server.cpu_s() - cpu) / window.seconds
    load.drain()
    others = max(0.0, machine - cpu - window.generator_cpu)
    return Round([], dict(load.ledger.errors), server.name, window, cpu, others, spent)


def _weigh(options: Options, server: Server, load: Load) -> Idle:
    time.sleep(_SETTLE_S)
    empty_kb = server.memory_kb()
    load.connect(timeout_s=120)
    load.idle(_SETTLE_S)
    return Idle([], dict(load.ledger.errors), server.name, load.connected, empty_kb, server.memory_kb())


@contextlib.contextmanager
def ours(options: Options, **settings: str) -> Iterator[tuple[Ours, Database]]:
    """Yield our server, serving, on an empty instance and an empty database."""
    with (
        _directory(options) as instance,
        fresh_database(options.postgres, instance) as database,
        Ours(instance, database.url, options.processes, **settings) as server,
    ):
        yield server, database


@contextlib.contextmanager
def _bare(options: Options, module: str = "bare") -> Iterator[Bare]:
    with _directory(options) as directory, Bare(directory, module) as server:
        yield server


@contextlib.contextmanager
def _directory(options: Options) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as path:
        yield Path(path)


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"… {text}", file=sys.stderr, flush=True)
