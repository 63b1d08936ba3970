"""Chargers as they are in life, not in a closed loop: a large fleet, and neighbours that come and go."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.benchmark import restless
from scripts.benchmark.ledger import Window
from scripts.benchmark.load import Load
from scripts.benchmark.messages import METER, START
from scripts.benchmark.processes import ROOT, Server
from scripts.benchmark.rows import check_rows
from scripts.benchmark.scenarios import Options, Outcome, ours, say

# One session that goes on for longer than anybody measures.
_CHARGING = (START, *[METER] * 10_000)
_MINUTE_S = 60.0
# What the undisturbed do, and how many they are.
_CALM, _CALM_INTERVAL_S = 100, 0.5


@dataclass
class Fleet(Outcome):
    """Many connected chargers, each with a meter value a minute."""

    chargers: int = 0
    window: Window | None = None
    memory_kb: int = 0
    server_cpu: float = 0.0


@dataclass
class Neighbours(Outcome):
    """What calm chargers see of others: alone, and beside a crowd that drops and returns all the time."""

    crowd: int = 0
    alone: Window | None = None
    beside: Window | None = None
    # What the crowd did meanwhile: connections of those who return together, and of the one in a tight loop.
    returned: int = 0
    looped: int = 0


def fleet(options: Options) -> Fleet:
    """Connect the fleet, let every charger begin to charge, and measure a minute of meter values."""
    say(f"a fleet of {options.fleet:,}, a meter value a minute each")
    with ours(options) as (server, database), Load(server.port, options.fleet, cycle=_CHARGING) as load:
        load.connect(timeout_s=300)
        load.each()
        load.keep_pace(_MINUTE_S, _MINUTE_S / 4)  # until its caches are as they stay
        cpu = server.cpu_s()
        measured = load.keep_pace(_MINUTE_S, _MINUTE_S)
        cpu = (server.cpu_s() - cpu) / measured.seconds
        memory_kb = server.memory_kb()
        load.drain()
        server.stop()
        errors = dict(load.ledger.errors)
        return Fleet(check_rows(database, load), errors, options.fleet, measured, memory_kb, cpu)


def neighbours(options: Options) -> Neighbours:
    """Measure calm chargers alone, and then while a crowd of restless ones does its worst."""
    say(f"{_CALM} calm chargers; then {options.restless:,} beside them that drop and return")
    with ours(options) as (server, database), Load(server.port, _CALM, cycle=_CHARGING) as load:
        load.connect()
        load.each()
        load.keep_pace(_CALM_INTERVAL_S, options.warmup)
        alone = load.keep_pace(_CALM_INTERVAL_S, options.seconds)
        with _restless(server, options) as crowd:
            load.keep_pace(_CALM_INTERVAL_S, options.warmup)
            beside = load.keep_pace(_CALM_INTERVAL_S, options.seconds)
            load.drain()
            returned, looped = restless.finish(crowd)
        server.stop()
        rows = [
            row for row in check_rows(database, load) if row.kind != "messages"
        ]  # the crowd sends some too
        return Neighbours(rows, dict(load.ledger.errors), options.restless, alone, beside, returned, looped)


@contextmanager
def _restless(server: Server, options: Options) -> Iterator["subprocess.Popen[str]"]:
    """Yield the crowd, a process of its own: its work must not delay the measurement."""
    arguments = [sys.executable, "-m", "scripts.benchmark.restless", str(server.port), str(options.restless)]
    crowd = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield crowd
    finally:
        crowd.kill()
        crowd.wait()
