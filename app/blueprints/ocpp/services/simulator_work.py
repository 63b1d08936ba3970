"""What the worker does with simulators: takes them up under leases, and writes down how they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, bindparam, select, update

from app import leases
from app.blueprints.ocpp.fleet.fleet import LEASE_S
from app.blueprints.ocpp.fleet.member import Assignment, Report
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.models.simulators import RUNNING, STOPPED
from app.blueprints.ocpp.simulated_charge_point.errors import N_, UNFORESEEN, Trouble
from app.blueprints.ocpp.simulated_charge_point.state import SimulatorState
from app.blueprints.ocpp.simulator import SimulatorConfig
from app.clock import utcnow
from app.db import UnitOfWork

UNREADABLE = N_("its password cannot be read, because SECRET_KEY has changed: enter it again")
TABLE: Table = Simulator.__table__  # type: ignore[assignment]


@dataclass(frozen=True)
class Standing:
    """Who runs what is wanted: ours, others', and whether anything waits to be taken up."""

    ours: dict[int, int]
    others: frozenset[int]
    # Ours, with a lease that has run out.
    lapsed: frozenset[int]
    has_free: bool

    @property
    def wanted(self) -> bool:
        """Whether anything is."""
        return bool(self.ours or self.others or self.has_free)


def standing(work: UnitOfWork, holder: str) -> Standing:
    """Look at what is wanted; writes nothing."""
    now = utcnow()
    wanted = work.execute(
        select(Simulator.id, Simulator.run, Simulator.leased_by, Simulator.leased_until).where(
            Simulator.wanted == RUNNING
        )
    ).all()
    free = {row.id for row in wanted if leases.is_free(row.leased_until, now)}
    ours = {row.id: row.run for row in wanted if row.leased_by == holder}
    return Standing(
        ours=ours,
        lapsed=frozenset(free & ours.keys()),
        others=frozenset(row.id for row in wanted if row.leased_by != holder and row.id not in free),
        has_free=bool(free),
    )


def take_up(work: UnitOfWork, holder: str, limit: int) -> list[Assignment]:
    """Lease at most ``limit`` of those that are wanted and nobody runs; what was said of them is over."""
    wanted = Simulator.wanted == RUNNING
    taken = leases.take(work, Simulator, wanted, holder=holder, seconds=LEASE_S, limit=limit)
    begun = {"state": str(SimulatorState.connecting), "since": utcnow(), "transaction_id": None}
    work.execute(
        update(Simulator)
        .where(Simulator.id.in_(taken))
        .values(begun)
        .execution_options(synchronize_session=False)
    )
    chosen = select(Simulator).where(Simulator.id.in_(taken)).order_by(Simulator.id)
    return [_assignment(row) for row in work.scalars(chosen.execution_options(populate_existing=True))]


def write_down(work: UnitOfWork, holder: str, reports: Sequence[Report]) -> None:
    """Keep how the holder's simulators do, and let go of those that ended.

    What has another's lease meanwhile is left alone; of a run that staff have replaced, only what a charge
    point remembers is kept.
    """
    _keep(work, holder, [report for report in reports if not report.done])
    _keep(work, holder, [report for report in reports if report.done], wanted=STOPPED)
    _let_go(work, holder, [report for report in reports if report.ended])


def _keep(work: UnitOfWork, holder: str, reports: Sequence[Report], **more: str) -> None:
    if not reports:
        return
    told = [_told(report) for report in reports]
    names = told[0].keys() - {"of_id", "of_run"}
    new: dict[str, Any] = {name.removeprefix("new_"): bindparam(name) for name in names}
    its_run = (TABLE.c.id == bindparam("of_id"), TABLE.c.run == bindparam("of_run"))
    work.execute(update(TABLE).where(*its_run, TABLE.c.leased_by == holder).values(**new, **more), told)


def _told(report: Report) -> dict[str, Any]:
    trouble = report.trouble
    return {
        "of_id": report.id,
        "of_run": report.run,
        "new_state": report.state,
        "new_since": report.since,
        "new_last_error": trouble.sentence if trouble else "",
        "new_last_error_facts": trouble.facts if trouble else {},
        "new_last_error_at": report.trouble_at if trouble else None,
        "new_transaction_id": report.transaction_id,
        "new_energy_wh": report.energy_wh,
        "new_charges": report.charges,
        "new_memory": dict(report.memory),
    }


def _let_go(work: UnitOfWork, holder: str, reports: Sequence[Report]) -> None:
    if not reports:
        return
    mine = (TABLE.c.id == bindparam("of_id"), TABLE.c.leased_by == holder)
    handed_back: dict[str, Any] = {"memory": bindparam("new_memory"), "leased_by": "", "leased_until": None}
    rows = [{"of_id": report.id, "new_memory": dict(report.memory)} for report in reports]
    work.execute(update(TABLE).where(*mine).values(**handed_back), rows)


def _assignment(row: Simulator) -> Assignment:
    config, flaw = _config(row)
    return Assignment(row.id, row.run, config, row.memory, flaw, row.energy_wh, row.charges)


def _config(row: Simulator) -> tuple[SimulatorConfig | None, Trouble | None]:
    if row.password is None:
        return None, Trouble(UNREADABLE)
    try:
        return row.config(), None
    except ValueError as error:
        return None, Trouble(UNFORESEEN, error=error)
