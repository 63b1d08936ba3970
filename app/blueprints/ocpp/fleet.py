"""The simulators that one worker runs: many on one loop, as long as they are wanted and surely its own.

Knows no database: a ledger says what there is to run, and is told how it goes, at most once a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from app.blueprints.ocpp.simulated_charge_point.errors import Trouble
from app.blueprints.ocpp.simulated_charge_point.state import WAITING
from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig, SimulatorState
from app.clock import utcnow

log = logging.getLogger(__name__)

# A worker that is silent for so long loses what it runs to another.
LEASE_S = 30.0
RENEW_EVERY_S = 10.0
# What could not be renewed is let go of a little before another may take it.
MARGIN_S = 3.0
LOOK_EVERY_S = 1.0
STEP_S = 0.1
# Energy alone is written down this often; whatever else happens, with the next look.
METER_EVERY_S = 5.0
# Until the next one is written down, what a charge point remembers must not be overtaken by what it tells.
MEMORY_LASTS_S = METER_EVERY_S + 3 * LOOK_EVERY_S
# Seconds for the last messages of a simulator that is stopped; of all of them when the worker is.
GRACE_S = 10.0
HAND_BACK_S = 4.0
# Simulators of one worker; and those that it takes up at one look, so that they do not connect all at once.
MOST = 1000
AT_A_TIME = 100


@dataclass(frozen=True)
class Assignment:
    """A simulator to run; where its settings cannot be, ``flaw`` says why, and there is no ``config``."""

    id: int
    run: int
    config: SimulatorConfig | None
    memory: Mapping[str, Any] = field(default_factory=dict)
    flaw: Trouble | None = None
    # What this run has brought so far, in other hands.
    energy_wh: int = 0
    charges: int = 0


@dataclass(frozen=True)
class Report:
    """How a simulator does. ``ended``: it is let go of; ``done``: because there is nothing left to do."""

    id: int
    run: int
    state: str
    since: datetime
    trouble: Trouble | None
    trouble_at: datetime | None
    transaction_id: int | None
    energy_wh: int
    charges: int
    memory: Mapping[str, Any]
    ended: bool = False
    done: bool = False


@dataclass(frozen=True)
class Look:
    """What the ledger says."""

    # Whether anything is wanted, whoever runs it.
    wanted: bool
    # Wanted and ours: the id, and the run that is wanted.
    ours: Mapping[int, int]
    # Wanted, and in another's hands.
    others: frozenset[int]
    renewed: frozenset[int]
    taken: Sequence[Assignment]


class Ledger(Protocol):
    """Where it is written which simulators are wanted, who runs them, and how they do. Slow; may raise."""

    def look(self, reports: Sequence[Report], *, renew: Sequence[int], room: int) -> Look:
        """Write the reports down, renew leases, take up at most ``room`` more, and say what is wanted."""


class Vital(NamedTuple):
    """What is told as soon as it changes."""

    state: str = ""
    trouble: Trouble | None = None
    transaction_id: int | None = None
    charges: int = 0


class Member:
    """One simulator of a fleet, and what the ledger has been told of it."""

    def __init__(self, assignment: Assignment, held_until: float) -> None:
        self.id, self.run = assignment.id, assignment.run
        self.held_until = held_until
        self.stopping = self.handed_back = False
        self._assignment = assignment
        self._simulator = ChargePointSimulator(assignment.config) if assignment.config else None
        self._since: datetime = utcnow()
        self._trouble_at: datetime | None = None
        self._noticed = Vital()
        self.forget_told()
        self.task = asyncio.create_task(self._live())

    def forget_told(self) -> None:
        """The ledger did not hear the last report."""
        self._told, self._told_wh, self._told_at = Vital(), -1, 0.0

    def stop(self, grace_s: float) -> None:
        """Ask it to end its charges and hang up."""
        if self._simulator is not None and not self.stopping:
            self._simulator.request_stop(grace_s)
        self.stopping = True

    def news(self) -> Report | None:
        """How it does, if that is worth writing down now."""
        vital, energy_wh, now = self._vital(), self._energy_wh, time.monotonic()
        has_metered = energy_wh != self._told_wh and now - self._told_at >= METER_EVERY_S
        if vital == self._told and not has_metered:
            return None
        self._told, self._told_wh, self._told_at = vital, energy_wh, now
        return self._report(vital)

    def last_report(self) -> Report:
        """How it ended."""
        vital = self._vital()._replace(transaction_id=None)
        if self.handed_back:
            self._since = utcnow()
            vital = vital._replace(state=WAITING)
        return self._report(vital, ended=True)

    async def _live(self) -> None:
        """Run until it is done or stopped; a mistake of ours is logged, and ends this one alone."""
        if self._simulator is None or self.stopping:
            return
        try:
            self._simulator.recall(self._assignment.memory)
            await self._simulator.run()
        except Exception:  # whatever it is, the others run on
            log.exception("simulator %s broke off", self.id)

    @property
    def _energy_wh(self) -> int:
        return self._assignment.energy_wh + (self._simulator.energy_wh if self._simulator else 0)

    def _vital(self) -> Vital:
        one, before = self._simulator, self._assignment
        if one is None:
            vital = Vital(SimulatorState.failed, before.flaw, None, before.charges)
        else:
            vital = Vital(one.state, one.trouble, one.transaction_id, before.charges + one.charges_done)
        if vital.state != self._noticed.state:
            self._since = utcnow()
        if vital.trouble is not self._noticed.trouble:
            self._trouble_at = utcnow()
        self._noticed = vital
        return vital

    def _report(self, vital: Vital, *, ended: bool = False) -> Report:
        memory = self._assignment.memory
        if self._simulator is not None:
            memory = self._simulator.memory(0 if ended else MEMORY_LASTS_S)
        return Report(
            self.id, self.run, str(vital.state), self._since, vital.trouble, self._trouble_at,
            vital.transaction_id, self._energy_wh, vital.charges, memory,
            ended=ended, done=ended and not self.stopping,
        )  # fmt: skip


class Fleet:
    """Simulators that run together, until nobody wants any or ``is_stopping`` says that the worker stops."""

    def __init__(self, ledger: Ledger, executor: Executor, is_stopping: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._executor = executor
        self._is_stopping = is_stopping
        self._members: dict[int, Member] = {}
        self._ended: dict[int, Report] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._renewed_at = 0.0

    async def run(self) -> None:
        """Run what is wanted. Whatever ends this, everything is handed back."""
        try:
            while not self._is_stopping():
                look = await self._look()
                if look is not None and not (look.wanted or self._members or self._ended):
                    return
                await self._rest()
        finally:
            await self._hand_back()

    async def _look(self) -> Look | None:
        """Tell the ledger what is new, and do what it says; None when it cannot be asked."""
        asked_at, ended = time.monotonic(), list(self._ended.values())
        renew = list(self._members) if asked_at - self._renewed_at >= RENEW_EVERY_S else []
        news = [report for member in self._members.values() if (report := member.news())]
        room = 0 if self._is_stopping() else min(AT_A_TIME, MOST - len(self._members))
        try:
            look = await self._asked(lambda: self._ledger.look([*ended, *news], renew=renew, room=room))
        except Exception:  # whatever a database says that is away: what runs goes on while it is surely ours
            log.warning("the simulators cannot be looked up", exc_info=True)
            for member in self._members.values():
                member.forget_told()
            return None
        for report in ended:
            del self._ended[report.id]
        self._renewed_at = asked_at if renew else self._renewed_at
        self._obey(look, asked_at + LEASE_S - MARGIN_S)
        return look

    def _obey(self, look: Look, held_until: float) -> None:
        """Let go of what is another's, end what is not wanted or wanted anew, begin what is new."""
        for member in list(self._members.values()):
            if member.id in look.renewed:
                member.held_until = held_until
            if member.id in look.others:
                self._cut_off(member, "another worker has it")
            elif look.ours.get(member.id) != member.run:
                member.stop(GRACE_S)
        for assignment in look.taken:
            self._members[assignment.id] = Member(assignment, held_until)

    async def _asked(self, ask: Callable[[], Look]) -> Look:
        """Ask the ledger, however long it takes, without holding up the loop."""
        asking = asyncio.get_running_loop().run_in_executor(self._executor, ask)
        while not asking.done():
            self._tidy()
            await asyncio.wait({asking}, timeout=STEP_S)
        return asking.result()

    async def _rest(self) -> None:
        """Until the next look, or until the worker is to stop."""
        until = time.monotonic() + LOOK_EVERY_S
        while time.monotonic() < until and not self._is_stopping():
            self._tidy()
            await asyncio.sleep(STEP_S)

    def _tidy(self) -> None:
        """Take note of what has ended, and let go of what is not surely ours any more."""
        for member in list(self._members.values()):
            if member.task.done():
                self._note_end(member)
            elif time.monotonic() > member.held_until:
                self._cut_off(member, "its lease could not be renewed")

    def _note_end(self, member: Member) -> None:
        self._ended[member.id] = member.last_report()
        del self._members[member.id]

    def _cut_off(self, member: Member, why: str) -> None:
        """Hang up at once: another may be this charge point already."""
        log.warning("simulator %s is let go of: %s", member.id, why)
        self._leaving.add(member.task)
        member.task.add_done_callback(self._leaving.discard)
        member.task.cancel()
        del self._members[member.id]

    async def _hand_back(self) -> None:
        """End charges as far as that takes little time, and give everything back, to be run elsewhere."""
        self._tidy()
        for member in self._members.values():
            member.handed_back = not member.stopping
            member.stop(HAND_BACK_S)
        tasks = {member.task for member in self._members.values()} | self._leaving
        for grace_s in (HAND_BACK_S + 1, 1.0):  # the second time for those that had to be cancelled
            if tasks:
                _, tasks = await asyncio.wait(tasks, timeout=grace_s)
            for task in tasks:
                task.cancel()
        for member in list(self._members.values()):
            self._note_end(member)
        if self._ended:
            log.info("%d simulators are handed back", len(self._ended))
            await self._asked(lambda: self._ledger.look(list(self._ended.values()), renew=[], room=0))
