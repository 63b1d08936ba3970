"""What can be done with the tables: fill them, read them, and choose from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from app.blueprints.awg import tables
from app.blueprints.awg.errors import EmptyTables, TooMuchCurrent, TooMuchDrop
from app.blueprints.awg.forms import Question
from app.blueprints.awg.models import CableSize, ConduitFill
from app.db import UnitOfWork


@dataclass(frozen=True)
class Answer:
    """A cable for a load."""

    question: Question
    cable: CableSize
    # What the cable carries, by the column that applies.
    amps: int
    drop_v: float
    # Conductors in the conduit.
    conductors: int
    # Kind of conduit → the smallest that holds them; None where none does.
    conduits: Mapping[str, str | None]

    @property
    def drop_percent(self) -> float:
        """The drop, of the voltage at the source."""
        return self.drop_v / float(self.question.volts) * 100

    @property
    def end_v(self) -> float:
        """The voltage at the load."""
        return float(self.question.volts) - self.drop_v


def all_cables(work: UnitOfWork) -> Sequence[CableSize]:
    """The table of cables: copper first, and thin ones first."""
    rows = work.scalars(select(CableSize)).all()
    return sorted(rows, key=lambda row: (row.material != "cu", row.thickness, row.line_num))


def all_conduits(work: UnitOfWork) -> Sequence[ConduitFill]:
    """The table of conduits: by kind, and narrow ones first."""
    rows = work.scalars(select(ConduitFill)).all()
    kinds, sizes = tables.CONDUITS, tables.TRADE_SIZES
    return sorted(rows, key=lambda row: (kinds.index(row.conduit), sizes.index(row.trade_size)))


def calculate(work: UnitOfWork, question: Question) -> Answer:
    """The cable that a load needs: the fewest conductors per phase, then the thinnest.

    It carries the current and keeps the voltage. Raises ``TooMuchCurrent``, ``TooMuchDrop``, ``EmptyTables``.
    """
    offered = [
        row
        for row in all_cables(work)
        if row.material == question.material and row.line_num <= question.max_lines
    ]
    if not offered:
        raise EmptyTables
    strong = [row for row in offered if row.amps(question.column) >= question.amps]
    if not strong:
        raise TooMuchCurrent(max(row.amps(question.column) for row in offered))
    allowed_v = float(question.volts * question.max_drop) / 100
    good = [row for row in strong if drop_v(question, row) <= allowed_v]
    if not good:
        least = min(drop_v(question, row) for row in strong) / float(question.volts) * 100
        raise TooMuchDrop(f"{math.ceil(least * 100) / 100:.2f}")
    cable = min(good, key=lambda row: (row.line_num, row.thickness))
    conductors = question.loaded * cable.line_num + question.extra
    return Answer(
        question=question,
        cable=cable,
        amps=cable.amps(question.column),
        drop_v=drop_v(question, cable),
        conductors=conductors,
        conduits=conduits_for(all_conduits(work), cable.awg_size, conductors),
    )


def drop_v(question: Question, cable: CableSize) -> float:
    """The voltage that is lost on the way: there and back, or between two of three phases."""
    ways = math.sqrt(3) if question.phases == 3 else 2.0
    ohm = cable.k_ohm_km / 1000 * float(question.meters) / cable.line_num
    return ways * float(question.amps) * ohm


def conduits_for(conduits: Iterable[ConduitFill], awg_size: str, conductors: int) -> dict[str, str | None]:
    """Kind of conduit → the smallest that holds so many conductors of a size; None where none does."""
    found: dict[str, str | None] = dict.fromkeys(tables.CONDUITS)
    for row in conduits:
        if found[row.conduit] is None and (row.holds(awg_size) or 0) >= conductors:
            found[row.conduit] = row.trade_size
    return found


def seed(work: UnitOfWork, *, reset: bool = False) -> tuple[int, int]:
    """Add the rows of the tables that are missing; return how many, and how many were put right.

    ``reset``: put right what has been changed too. Other rows are left alone, so it is safe to repeat.
    """
    cables = _fill(work, CableSize, ("awg_size", "material", "line_num"), tables.cables(), reset)
    conduits = _fill(work, ConduitFill, ("trade_size", "conduit"), tables.conduits(), reset)
    return cables[0] + conduits[0], cables[1] + conduits[1]


def _fill(
    work: UnitOfWork, model: Any, keys: Sequence[str], rows: Iterable[dict[str, Any]], reset: bool
) -> tuple[int, int]:
    known = {tuple(getattr(row, key) for key in keys): row for row in work.scalars(select(model))}
    added = changed = 0
    for values in rows:
        row = known.get(tuple(values[key] for key in keys))
        if row is None:
            work.add(model(**values))
            added += 1
        elif reset and any(getattr(row, name) != value for name, value in values.items()):
            work.execute(update(model).where(model.id == row.id).values(**values))
            changed += 1
    work.flush()
    return added, changed
