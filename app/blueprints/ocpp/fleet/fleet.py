"""The simulators that one worker runs: many on one loop, as long as they are wanted and surely its own.

Knows no database: a ledger says what there is to run, and is told how it goes, at most once a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from app.blueprints.ocpp.fleet.member import Assignment, Member, Report

log = logging.getLogger(__name__)

# A worker that is silent for so long loses what it runs to another.
LEASE_S = 30.0
RENEW_EVERY_S = 10.0
# What could not be renewed is let go of a little before another may take it.
MARGIN_S = 3.0
LOOK_EVERY_S = 1.0
# Before a transaction is opened its start is written down, all that have come up in this time together.
SOON_S = 0.4
STEP_S = 0.1
# Seconds for the last messages of a simulator that is stopped; of all of them when the worker is.
GRACE_S = 10.0
HAND_BACK_S = 4.0
# Simulators of one worker; and those that it takes up at one look, so that they do not connect all at once.
MOST = 1000
AT_A_TIME = 100


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

    def look(self, reports: Sequence[Report], *, held: Sequence[int], renew: bool, room: int) -> Look:
        """Write the reports down, take up at most ``room`` more, and say what is wanted.

        ``renew``: the leases of all that is held; else only those that have run out and nobody has taken.
        """


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
        held, renew = list(self._members), asked_at - self._renewed_at >= RENEW_EVERY_S
        news = [report for member in self._members.values() if (report := member.news())]
        room = 0 if self._is_stopping() else min(AT_A_TIME, MOST - len(self._members))
        try:
            look = await self._asked(
                lambda: self._ledger.look([*ended, *news], held=held, renew=renew, room=room)
            )
        except Exception:  # whatever a database says that is away: what runs goes on while it is surely ours
            log.warning("the simulators cannot be looked up", exc_info=True)
            for member in self._members.values():
                member.forget_told()
            return None
        for report in ended:
            del self._ended[report.id]
        self._renewed_at = asked_at if renew else self._renewed_at
        self._obey(look, asked_at + LEASE_S - MARGIN_S)
        for member in self._members.values():
            member.mark_told()
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
            if assignment.id in self._members:
                self._cut_off(self._members[assignment.id], "its lease had run out")
            self._members[assignment.id] = Member(assignment, held_until)

    async def _asked(self, ask: Callable[[], Look]) -> Look:
        """Ask the ledger, however long it takes, without holding up the loop."""
        asking = asyncio.get_running_loop().run_in_executor(self._executor, ask)
        while not asking.done():
            self._tidy()
            await asyncio.wait({asking}, timeout=STEP_S)
        return asking.result()

    async def _rest(self) -> None:
        """Until the next look, or until the worker is to stop; shorter where a start waits to be kept."""
        began = time.monotonic()
        while (rested_s := time.monotonic() - began) < LOOK_EVERY_S and not self._is_stopping():
            self._tidy()
            if rested_s >= SOON_S and any(member.is_starting for member in self._members.values()):
                return
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
            try:
                ended = list(self._ended.values())
                await self._asked(lambda: self._ledger.look(ended, held=[], renew=False, room=0))
            except Exception:  # their leases run out by themselves
                log.warning("the simulators cannot be handed back", exc_info=True)
