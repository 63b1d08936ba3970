"""What staff want of simulators: to run, to stop, to be many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, exists, insert, or_, select, true, update

from app.blueprints.ocpp.errors import SimulatorsExist
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.models.simulators import RUNNING, STOPPED
from app.blueprints.ocpp.simulated_charge_point.config import charge_point_id
from app.blueprints.ocpp.simulated_charge_point.state import WAITING
from app.clock import utcnow
from app.db import UnitOfWork

# Shown instead of the last state written, when whoever wrote it is gone.
NO_WORKER = "no_worker"
# A worker that runs takes up what is wanted within this time.
PATIENCE = timedelta(seconds=10)
# Simulators that one form makes, and that one command starts or stops: a request must be short.
MOST_AT_ONCE = 500
MOST_COMMANDED = 2000
FINAL = ("stopped", "finished", "failed")


def start(work: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """Want them to run; return those that were not wanted before."""
    return _run(work, ids, Simulator.wanted == STOPPED)


def restart(work: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """Want a new run of each, with its settings as they are now; what runs is ended first."""
    return _run(work, ids, true())


def stop(work: UnitOfWork, ids: Sequence[int]) -> list[int]:
    """Want them to stop; return those that were wanted. Whoever runs one ends its charge properly."""
    now = utcnow()
    stopped = _returned(
        work,
        update(Simulator).where(Simulator.id.in_(ids), Simulator.wanted == RUNNING).values(wanted=STOPPED),
    )
    unheld = or_(Simulator.leased_until.is_(None), Simulator.leased_until <= now)
    work.execute(
        update(Simulator)
        .where(Simulator.id.in_(stopped), unheld)
        .values(state="stopped", since=now, transaction_id=None)
        .execution_options(synchronize_session=False)
    )
    return stopped


def make_many(
    work: UnitOfWork, *, count: int, name: str, path: str, first: int, settings: Mapping[str, Any]
) -> list[int]:
    """Make ``count`` simulators, named ``name`` and a number from ``first``; return their ids.

    Raises ``SimulatorsExist`` when one has such a name, or is such a charger, already.
    """
    width = len(str(first + count - 1))
    numbers = [f"{number:0{width}}" for number in range(first, first + count)]
    rows = [{**settings, "name": f"{name}{number}", "cp_path": f"{path}{number}"} for number in numbers]
    names = [row["name"] for row in rows]
    named = select(Simulator.name).where(Simulator.name.in_(names)).order_by(Simulator.name)
    taken = [*work.scalars(named)] or same_chargers(
        work, host=settings["host"], ws_port=settings["ws_port"], cp_paths=[row["cp_path"] for row in rows]
    )
    if taken:
        raise SimulatorsExist(taken)
    work.execute(insert(Simulator), rows)
    return [*work.scalars(select(Simulator.id).where(Simulator.name.in_(names)).order_by(Simulator.id))]


def same_chargers(
    work: UnitOfWork, *, host: str, ws_port: int, cp_paths: Iterable[str], besides: int | None = None
) -> list[str]:
    """The names of simulators that are one of these chargers at this server already.

    Two that connect as one charger push each other out, for ever.
    """
    chargers = {charge_point_id(path) for path in cp_paths}
    there = select(Simulator.name, Simulator.cp_path).where(
        Simulator.host == host, Simulator.ws_port == ws_port, Simulator.id != (besides or 0)
    )
    return sorted(name for name, path in work.execute(there) if charge_point_id(path) in chargers)


def any_held(work: UnitOfWork) -> bool:
    """Whether some worker runs simulators now."""
    return bool(work.scalar(select(exists().where(Simulator.leased_until > utcnow()))))


def shown(row: Simulator, now: datetime, *, worker_runs: bool) -> str:
    """The state to show: one of ``STATES``, or ``NO_WORKER`` where the last one written is nobody's."""
    if row.is_held(now):
        return row.state if row.is_wanted else "stopping"
    if not row.is_wanted:
        return row.state if row.state in FINAL else "stopped"
    has_waited = row.leased_until is not None or (row.since is not None and now - row.since > PATIENCE)
    return NO_WORKER if has_waited and not worker_runs else WAITING


def _run(work: UnitOfWork, ids: Sequence[int], which: ColumnElement[bool]) -> list[int]:
    return _returned(
        work,
        update(Simulator)
        .where(Simulator.id.in_(ids), which)
        .values(
            wanted=RUNNING, run=Simulator.run + 1, state=WAITING, since=utcnow(), last_error="",
            last_error_facts={}, last_error_at=None, transaction_id=None, energy_wh=0, charges=0,
        ),
    )  # fmt: skip


def _returned(work: UnitOfWork, change: Update) -> list[int]:
    """Apply a change; the ids of the rows that it met."""
    changed = change.returning(Simulator.id).execution_options(synchronize_session=False)
    return sorted(work.scalars(changed))
