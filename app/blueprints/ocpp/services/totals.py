"""Every account's running totals, held against the rows that they sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select, update

from app.blueprints.accounts.models import Account, Credit, User
from app.blueprints.ocpp.models import Transaction
from app.db import UnitOfWork

# Accounts whose rows one statement sums up.
PIECE = 500


@dataclass(frozen=True)
class Difference:
    """An account one of whose totals is not what its rows say; both in Wh."""

    account_id: int
    username: str
    credited_wh: int
    credits_wh: int
    spent_wh: int
    used_wh: int


def differences(work: UnitOfWork) -> Iterator[Difference]:
    """Recompute the totals of every account, by id, and yield those that differ from what is kept.

    Each piece is one statement, so that it sees one moment: credits and charges go on meanwhile.
    """
    last = 0
    while True:
        piece = work.execute(_piece(last)).all()
        for row in piece:
            found = Difference(*row)
            if (found.credited_wh, found.spent_wh) != (found.credits_wh, found.used_wh):
                yield found
        if len(piece) < PIECE:
            return
        last = piece[-1][0]


def count(work: UnitOfWork) -> int:
    """How many accounts there are."""
    return work.scalar(select(func.count(Account.id))) or 0


def repair(work: UnitOfWork, account_id: int) -> Difference | None:
    """Make an account's totals what its rows say; return what was wrong, None when nothing was.

    In SQL, so that what is booked at the same moment is not lost.
    """
    locked = select(Account.id).where(Account.id == account_id).with_for_update()
    work.execute(locked)
    row = work.execute(_summed().where(Account.id == account_id)).one_or_none()
    found = Difference(*row) if row else None
    if found is None or (found.credited_wh, found.spent_wh) == (found.credits_wh, found.used_wh):
        return None
    totals = {"credited_wh": found.credits_wh, "spent_wh": found.used_wh}
    work.execute(update(Account).where(Account.id == account_id).values(totals))
    return found


def _piece(after: int) -> Select[Any]:
    return _summed().where(Account.id > after).order_by(Account.id).limit(PIECE)


def _summed() -> Select[Any]:
    credits_wh = select(_whole(func.sum(Credit.amount_kwh) * 1000)).where(Credit.account_id == Account.id)
    used_wh = select(_whole(func.sum(Transaction.energy_wh))).where(Transaction.account_id == Account.id)
    return select(
        Account.id,
        User.username,
        Account.credited_wh,
        credits_wh.correlate(Account).scalar_subquery(),
        Account.spent_wh,
        used_wh.correlate(Account).scalar_subquery(),
    ).join(User)


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Whole Wh: SQLite adds up decimals in binary, a hair beside the truth."""
    return cast(func.round(func.coalesce(total, 0)), BigInteger)
