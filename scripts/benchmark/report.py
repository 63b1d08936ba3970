"""What was measured, as a table that a person reads and as JSON that a program does."""

import json
import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benchmark import profile
from scripts.benchmark.crowds import Fleet, Neighbours
from scripts.benchmark.database import postgres_settings
from scripts.benchmark.history import SHORT
from scripts.benchmark.rows import RowCheck
from scripts.benchmark.scenarios import Authorizing, Idle, Kill, Metering, Options, Outcome, Round, Storm

GOAL_SQLITE, GOAL_POSTGRES = 1.3, 1.0
GOAL_IDLE_KB, GOAL_STORM_S = 60, 30
# What a long history may cost.
GOAL_HISTORY = 1.2
# A fleet with a meter value a minute: answer time, and the memory of all web processes.
GOAL_FLEET_P99_MS, GOAL_FLEET_MB = 100, 600
# Above this share of a core the generator, not the server, may be what is measured.
GENERATOR_BUSY = 0.9


@dataclass
class Report:
    """Everything one call of ``scripts/bench`` found."""

    options: Options
    calibration: Round | None = None
    rounds: list[Round] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    storm: Storm | None = None
    authorize: Authorizing | None = None
    metering: Metering | None = None
    neighbours: Neighbours | None = None
    fleet: Fleet | None = None
    kill: Kill | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """Every scenario that ran."""
        single = [
            self.calibration, self.storm, self.authorize, self.metering, self.neighbours, self.fleet,
            self.kill,
        ]  # fmt: skip
        return [*self.rounds, *self.idle, *(outcome for outcome in single if outcome)]

    @property
    def sound(self) -> bool:
        """Tell whether the figures may be believed: every row is there and no call failed."""
        return not any(
            outcome.errors or any(row.verdict != "OK" for row in outcome.rows) for outcome in self.outcomes
        )

    @property
    def ratio(self) -> float | None:
        """Ours over bare, medians of the rounds."""
        ours, bare = _median(self.rounds, "ours", "calls_per_s"), _median(self.rounds, "bare", "calls_per_s")
        return ours / bare if ours and bare else None

    @property
    def goal(self) -> float:
        """The ratio that the database in use must reach."""
        return GOAL_POSTGRES if self.options.postgres else GOAL_SQLITE

    def text(self) -> str:
        """Return the table."""
        parts = [
            [_setting(self.options)],
            _rounds(self),
            [_idle(result) for result in self.idle],
            _storm(self.storm) if self.storm else [],
            _authorize(self.authorize) if self.authorize else [],
            _metering(self.metering) if self.metering else [],
            _neighbours(self.neighbours) if self.neighbours else [],
            _fleet(self.fleet) if self.fleet else [],
            _kill(self.kill) if self.kill else [],
            _rows(self.outcomes),
            _errors(self.outcomes),
        ]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def json(self) -> str:
        """Return all figures, with the derived ones."""
        figures = asdict(self) | {"ratio": self.ratio, "goal": self.goal, "sound": self.sound}
        for entry, result in zip(figures["idle"], self.idle, strict=True):
            entry["kb_per_charger"] = result.kb_per_charger
        for entry, played in zip(figures["rounds"], self.rounds, strict=True):
            entry["calls_per_s"] = played.window.calls_per_s if played.window else None
        figures["options"]["postgres"] = bool(self.options.postgres)  # the URL may hold a password
        return json.dumps(figures, default=str, indent=1)


def _setting(options: Options) -> str:
    database = postgres_settings(options.postgres) if options.postgres else "SQLite"
    return (
        f"{database}; {_disk(options.directory)}; {options.processes} web process(es); "
        f"{os.cpu_count()} cores shared with the generator; Python {platform.python_version()}"
    )


def _disk(directory: Path) -> str:
    """Tell the filesystem, and how often a second it makes a page durable: the ceiling of any commit."""
    findmnt = ["findmnt", "-n", "-o", "FSTYPE", "-T", str(directory)]
    kind = subprocess.run(findmnt, capture_output=True, text=True, check=False)
    probe = directory / f"bench-probe-{os.getpid()}"
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        times, until = 0, time.monotonic() + 0.5
        while time.monotonic() < until:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times += 1
    finally:
        os.close(descriptor)
        probe.unlink()
    return f"{directory} on {kind.stdout.strip() or 'an unknown filesystem'}, {times * 2:,} fdatasync/s"


def _rounds(report: Report) -> list[str]:
    shown = report.rounds or ([report.calibration] if report.calibration else [])
    if not shown:
        return []
    options = report.options
    times = f"{options.seconds:g} s after {options.warmup:g} s of warm-up"
    lines = [
        f"{options.chargers:,} chargers, closed loop, {times}",
        f"{'':9}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'server':>10}{'generator':>11}{'others':>8}  CPU",
    ]
    lines += [_round(result) for result in shown]
    if report.ratio is None:
        return lines
    lines += [_medians(report.rounds, name) for name in ("ours", "bare")]
    verdict = _goal(report.ratio >= report.goal, f"≥ {report.goal}")
    spent = sum((result.spent for result in report.rounds), Counter())
    return [*lines, f"ratio ours/bare {report.ratio:.2f}   {verdict}", *profile.table(spent)]


def _round(result: Round) -> str:
    window = result.window
    if window is None:
        return ""
    line = f"{result.server:9}{window.calls_per_s:10,.0f}{window.p50_ms:9.1f}{window.p99_ms:9.1f}"
    line += f"{result.server_cpu:10.0%}{window.generator_cpu:11.0%}{result.other_cpu:8.0%}"
    return line + ("  the generator is the limit" if window.generator_cpu > GENERATOR_BUSY else "")


def _medians(results: Sequence[Round], name: str) -> str:
    calls, p50, p99 = (_median(results, name, figure) for figure in ("calls_per_s", "p50_ms", "p99_ms"))
    return f"{name:9}{calls:10,.0f}{p50:9.1f}{p99:9.1f}   median"


def _median(results: Sequence[Round], name: str, figure: str) -> float:
    values: list[Any] = [getattr(result.window, figure) for result in results if result.server == name]
    return float(median(values)) if values else 0.0


def _idle(result: Idle) -> str:
    empty_mb, full_mb = result.empty_kb / 1024, result.full_kb / 1024
    line = f"idle memory, {result.server}: {result.kb_per_charger:.1f} KB per charger "
    line += f"({result.chargers:,} chargers; empty {empty_mb:.0f} MB, full {full_mb:.0f} MB)"
    if result.server != "ours":
        return line
    return f"{line}   {_goal(result.kb_per_charger <= GOAL_IDLE_KB, f'≤ {GOAL_IDLE_KB} KB')}"


def _storm(result: Storm) -> list[str]:
    lines = []
    for name, arrival in (("new", result.first), ("return", result.again)):
        if arrival:
            met = arrival.served == arrival.wanted and arrival.seconds <= GOAL_STORM_S
            line = f"storm, {name}: {arrival.served:,} of {arrival.wanted:,} in {arrival.seconds:.1f} s"
            lines.append(f"{line}, {arrival.retries:,} tried again   {_goal(met, f'≤ {GOAL_STORM_S} s')}")
    return lines


def _authorize(result: Authorizing) -> list[str]:
    lines = [
        f"Authorize on an account with {count:11,} transactions: {median(figures):.2f} ms (median of medians)"
        for count, figures in ((SHORT, result.short_ms), (result.long, result.long_ms))
    ]
    met = _goal(result.ratio <= GOAL_HISTORY, f"≤ {GOAL_HISTORY}")
    return [*lines, f"ratio long/short {result.ratio:.2f}   {met}"]


def _metering(result: Metering) -> list[str]:
    lines = [
        f"the load after {count:11,} readings: {median(figures):,.0f} calls/s (median of turns)"
        for count, figures in ((0, result.empty), (result.readings, result.full))
    ]
    met = _goal(result.ratio <= GOAL_HISTORY, f"≤ {GOAL_HISTORY}")
    return [*lines, f"cost with the history over without {result.ratio:.2f}   {met}"]


def _neighbours(result: Neighbours) -> list[str]:
    lines = []
    for name, seen in (("alone", result.alone), ("beside them", result.beside)):
        if seen:
            line = f"calm chargers, {name}: p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms"
            lines.append(f"{line}, {seen.calls:,} calls")
    crowd = f"{result.crowd:,} that drop and return came in {result.returned:,} times"
    return [*lines, f"them: {crowd}, the one in a tight loop {result.looped:,} times"]


def _fleet(result: Fleet) -> list[str]:
    if result.window is None:
        return []
    p99_ms, memory_mb = result.window.p99_ms, result.memory_kb / 1024
    return [
        f"fleet of {result.chargers:,}, {result.window.calls_per_s:,.0f} meter values/s: p50 "
        f"{result.window.p50_ms:.1f} ms, p99 {p99_ms:.1f} ms   "
        + _goal(p99_ms < GOAL_FLEET_P99_MS, f"< {GOAL_FLEET_P99_MS} ms"),
        f"web processes {memory_mb:.0f} MB, {result.server_cpu:.0%} of a core   "
        + _goal(memory_mb < GOAL_FLEET_MB, f"< {GOAL_FLEET_MB} MB"),
    ]


def _kill(result: Kill) -> list[str]:
    return [
        f"kill -9 after {result.calls_before:,} answered calls, {result.open_at_kill:,} open; serving again",
        f"after {result.restart_s:.1f} s, all chargers back {result.return_s:.1f} s later, "
        f"{result.calls_after:,} calls since",
    ]


def _rows(outcomes: Sequence[Outcome]) -> list[str]:
    """Sum the checks of all scenarios, kind by kind."""
    kinds: dict[str, list[RowCheck]] = {}
    for outcome in outcomes:
        for row in filter(lambda row: row.acknowledged or row.stored, outcome.rows):
            kinds.setdefault(row.kind, []).append(row)
    lines = [_row_line(kind, rows) for kind, rows in kinds.items()]
    return [f"{'rows':16}{'acknowledged':>14}{'in database':>14}{'open':>8}", *lines] if lines else []


def _row_line(kind: str, rows: list[RowCheck]) -> str:
    acknowledged, stored = sum(row.acknowledged for row in rows), sum(row.stored for row in rows)
    bad = sorted({row.verdict for row in rows} - {"OK"})
    may_exceed = sum(row.may_exceed for row in rows)
    return f"{kind:16}{acknowledged:14,}{stored:14,}{may_exceed:8,}  {', '.join(bad) or 'OK'}"


def _errors(outcomes: Sequence[Outcome]) -> list[str]:
    errors: Counter[str] = Counter()
    for outcome in outcomes:
        errors.update(outcome.errors)
    lines = [f"  {count:,} × {text}" for text, count in errors.most_common(10)]
    return [f"ERRORS {errors.total():,}", *lines] if lines else []


def _goal(met: bool, goal: str) -> str:
    return f"goal {goal}: {'met' if met else 'MISSED'}"
