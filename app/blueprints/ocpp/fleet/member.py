"""One simulator of a fleet: what it was given to run, what it does, and what is worth writing down of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from app.blueprints.ocpp.simulated_charge_point.errors import UNFORESEEN, Trouble
from app.blueprints.ocpp.simulated_charge_point.state import WAITING
from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig, SimulatorState
from app.clock import utcnow

log = logging.getLogger(__name__)

# Energy alone is written down this often; whatever else happens, with the next look.
METER_EVERY_S = 5.0
# Until the next one is written down, what a charge point remembers must not be overtaken by what it tells.
MEMORY_LASTS_S = METER_EVERY_S + 3


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
        self.stopping = self.handed_back = self._has_begun = False
        self._assignment, self._flaw = assignment, assignment.flaw
        self._starts: set[asyncio.Future[bool]] = set()
        config = assignment.config
        self._simulator = ChargePointSimulator(config, keep=self._keep) if config else None
        self._since: datetime = utcnow()
        self._trouble_at: datetime | None = None
        self._noticed = Vital()
        self.forget_told()
        self.task = asyncio.create_task(self._live())

    def forget_told(self) -> None:
        """The ledger did not hear the last report."""
        self._told, self._told_wh, self._told_at = Vital(), -1, 0.0
        self._reported: set[asyncio.Future[bool]] = set()

    def mark_told(self) -> None:
        """The ledger has heard the last report: what waited for that begins."""
        for start in self._reported:
            self._answer(start, kept=True)
        self._reported = set()

    @property
    def is_starting(self) -> bool:
        """Whether a transaction waits to be opened until its start is written down."""
        return bool(self._starts)

    def stop(self, grace_s: float) -> None:
        """Ask it to end its charges and hang up; what has not begun does not begin."""
        if self._simulator is not None and not self.stopping:
            self._simulator.request_stop(grace_s)
        self.stopping = True
        for start in set(self._starts):
            self._answer(start, kept=False)

    async def _keep(self) -> bool:
        """Wait until the start of a transaction is written down; False when it is called off."""
        if self.stopping:
            return False
        start: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._starts.add(start)
        try:
            return await start
        finally:
            self._starts.discard(start)

    def _answer(self, start: asyncio.Future[bool], *, kept: bool) -> None:
        self._starts.discard(start)
        if not start.done():
            start.set_result(kept)

    def news(self) -> Report | None:
        """How it does, if that is worth writing down now."""
        vital, energy_wh, now = self._vital(), self._energy_wh, time.monotonic()
        has_metered = energy_wh != self._told_wh and now - self._told_at >= METER_EVERY_S
        if vital == self._told and not has_metered and not self._starts:
            return None
        self._reported = set(self._starts)
        self._told, self._told_wh, self._told_at = vital, energy_wh, now
        return self._report(vital)

    def last_report(self) -> Report:
        """How it ended."""
        vital = self._vital()._replace(transaction_id=None)
        if self.stopping:
            vital = vital._replace(state=WAITING if self.handed_back else SimulatorState.stopped)
            self._since = utcnow()
        return self._report(vital, ended=True)

    async def _live(self) -> None:
        """Run until it is done or stopped; a mistake of ours is logged, and ends this one alone."""
        if self._simulator is None or self.stopping:
            return
        try:
            self._simulator.recall(self._assignment.memory)
            self._has_begun = True
            await self._simulator.run()
        except Exception as error:  # whatever it is, the others run on
            log.exception("simulator %s broke off", self.id)
            self._flaw = Trouble(UNFORESEEN, error=repr(error))

    @property
    def _energy_wh(self) -> int:
        return self._assignment.energy_wh + (self._simulator.energy_wh if self._simulator else 0)

    def _vital(self) -> Vital:
        one, before = self._simulator, self._assignment
        if one is None or self._flaw is not None:
            vital = Vital(SimulatorState.failed, self._flaw, None, before.charges)
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
        if self._simulator is not None and self._has_begun:
            memory = self._simulator.memory(0 if ended else MEMORY_LASTS_S)
        return Report(
            self.id, self.run, str(vital.state), self._since, vital.trouble, self._trouble_at,
            vital.transaction_id, self._energy_wh, vital.charges, memory,
            ended=ended, done=ended and not self.stopping,
        )  # fmt: skip
