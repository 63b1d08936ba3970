"""What drivers see of their own: account, sessions, ledger, cars and cards. Read-only, and never counted.

Everything is chosen by an account or its user; who is connected is told by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, contains_eager, joinedload

from app.blueprints.accounts.models import RFID, Account, Credit, User, Vehicle
from app.blueprints.ocpp.models import Charger, Transaction
from app.blueprints.ocpp.services.overview import Outlet, iso, kwh
from app.db import UnitOfWork, UTCDateTime

# Cars and cards that are shown: a fleet has more, and staff who look after them.
MAX_BELONGINGS = 50
# Sessions that run on one account and are told; a fleet's others are charging all the same.
MAX_RUNNING = 100

Row = TypeVar("Row")


@dataclass(frozen=True)
class Period:
    """When a session began, by its charger's clock: ``until`` is excluded, None does not choose."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Running:
    """A session that has not ended, on its outlet."""

    transaction: Transaction
    outlet: Outlet


@dataclass(frozen=True)
class Some(Sequence[Row]):
    """The first rows of a list, and whether there are more."""

    rows: Sequence[Row]
    more: bool

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


def find_account(work: UnitOfWork, user_id: int) -> Account | None:
    """The account of a user."""
    return work.scalar(select(Account).where(Account.user_id == user_id))


def accounts(work: UnitOfWork, account_ids: Collection[int]) -> Sequence[Account]:
    """Accounts with their users, as the database has them now."""
    chosen = select(Account).join(Account.user).where(Account.id.in_(account_ids))
    return work.scalars(chosen.options(contains_eager(Account.user))).all()


def running(work: UnitOfWork, account_ids: Collection[int]) -> Sequence[Transaction]:
    """What runs on these accounts, newest first, with chargers and connectors."""
    chosen = _running(account_ids).order_by(Transaction.id.desc())
    return work.scalars(
        chosen.options(joinedload(Transaction.charger).selectinload(Charger.connectors))
    ).all()


def on_outlets(transactions: Iterable[Transaction], connected: Collection[str]) -> list[Running]:
    """Running sessions with the state of their outlets. ``connected``: the ids of chargers that are."""
    found = []
    for transaction in transactions:
        charger, number = transaction.charger, transaction.connector_id
        row = next((row for row in charger.connectors if row.connector_id == number), None)
        outlet = Outlet(number, row, transaction, charger.charger_id in connected)
        found.append(Running(transaction, outlet))
    return found


def places(work: UnitOfWork, account_ids: Collection[int]) -> dict[int | None, set[str]]:
    """Account → the chargers at which something runs on it."""
    chosen = _running(account_ids).join(Charger)
    found: dict[int | None, set[str]] = {}
    for account_id, charger_id in work.execute(
        chosen.with_only_columns(Transaction.account_id, Charger.charger_id)
    ):
        found.setdefault(account_id, set()).add(charger_id)
    return found


def sessions(
    work: UnitOfWork, account: Account, period: Period = Period(), *, before: int | None = None, limit: int
) -> Some[Transaction]:
    """Sessions that do not run, newest first; ``before``: those that began before this one of theirs."""
    chosen = _ended(account, period)
    last = find_session(work, account, before) if before else None
    if last is not None:
        here = tuple_(literal(last.started_at, UTCDateTime), literal(last.id))
        chosen = chosen.where(tuple_(Transaction.started_at, Transaction.id) < here)
    return _some(work, chosen.options(joinedload(Transaction.charger)), limit)


def has_more_sessions_than(work: UnitOfWork, account: Account, period: Period, limit: int) -> bool:
    """Whether a period holds more sessions than that."""
    next_one = _ended(account, period).with_only_columns(Transaction.id).offset(limit).limit(1)
    return work.scalar(next_one) is not None


def find_session(work: UnitOfWork, account: Account, transaction_id: int) -> Transaction | None:
    """One session of this account, running or ended."""
    if not 0 < transaction_id < 2**31:
        return None
    chosen = select(Transaction).where(Transaction.id == transaction_id, Transaction.account_id == account.id)
    return work.scalar(chosen.options(joinedload(Transaction.charger).selectinload(Charger.connectors)))


def energies(work: UnitOfWork, account: Account, period: Period, limit: int) -> Some[tuple[datetime, int]]:
    """When each session of a period began, and the Wh that it took so far: newest first."""
    chosen = _within(select(Transaction.started_at, Transaction.energy_wh), account, period)
    rows = [(at, energy_wh) for at, energy_wh in work.execute(chosen.limit(limit + 1))]
    return Some(rows[:limit], len(rows) > limit)


def total(work: UnitOfWork, account: Account, period: Period, limit: int) -> tuple[int, int] | None:
    """How many sessions of a period have ended, and the Wh of all; None for more than ``limit``."""
    ended = (Transaction.stopped_at.is_not(None), or_(Transaction.refused == "", Transaction.energy_wh > 0))
    chosen = _within(select(Transaction.energy_wh), account, period).where(*ended).limit(limit + 1)
    energies_wh = work.scalars(chosen).all()
    return None if len(energies_wh) > limit else (len(energies_wh), sum(energies_wh))


def credits(work: UnitOfWork, account: Account, *, before: int | None = None, limit: int) -> Some[Credit]:
    """The ledger, newest first: the lines before the line ``before``."""
    chosen = select(Credit).where(Credit.account_id == account.id)
    if before:
        chosen = chosen.where(Credit.id < before)
    return _some(work, chosen.order_by(Credit.id.desc()), limit)


def vehicles(work: UnitOfWork, account: Account) -> Some[Vehicle]:
    """The cars that charge on an account."""
    chosen = select(Vehicle).where(Vehicle.account_id == account.id).order_by(Vehicle.id)
    return _some(work, chosen, MAX_BELONGINGS)


def cards(work: UnitOfWork, user: User) -> Some[RFID]:
    """The cards of a user."""
    return _some(work, select(RFID).where(RFID.user_id == user.id).order_by(RFID.id), MAX_BELONGINGS)


def told(account: Account | None, sessions: Sequence[Running]) -> dict[str, Any]:
    """An account and what runs on it, in the words of the API: nothing of anybody else."""
    return {
        "balance_kwh": kwh(account.balance_wh) if account else None,
        "credits_kwh": kwh(account.credited_wh) if account else None,
        "total_kwh_spent": kwh(account.spent_wh) if account else None,
        "service_account": bool(account and account.service_account),
        "may_charge": bool(account and account.may_charge()),
        "running": [_told(session) for session in sessions[:MAX_RUNNING]],
    }


def _told(session: Running) -> dict[str, Any]:
    transaction, outlet = session.transaction, session.outlet
    charger = transaction.charger
    return {
        "id": transaction.id,
        "charger": charger.charger_id,
        "name": charger.name,
        "connector": transaction.connector_id,
        "connected": outlet.connected,
        "status": outlet.status,
        "started_at": iso(transaction.started_at),
        "power_w": outlet.power_w,
        "energy_kwh": kwh(transaction.energy_wh),
        "measured_at": iso(outlet.row.measured_at if outlet.row else None),
    }


def _running(account_ids: Collection[int]) -> Select[Any]:
    return (
        select(Transaction)
        .where(Transaction.account_id.in_(account_ids), Transaction.stopped_at.is_(None))
        # A refused start runs only if the charger charges all the same.
        .where(or_(Transaction.refused == "", Transaction.energy_wh > 0))
    )


def _ended(account: Account, period: Period) -> Select[Any]:
    """All that does not run."""
    refused = and_(Transaction.refused != "", Transaction.energy_wh == 0)
    return _within(select(Transaction), account, period).where(
        or_(Transaction.stopped_at.is_not(None), refused)
    )


def _within(chosen: Any, account: Account, period: Period) -> Any:
    """An account's sessions of a period, newest first, by the index on account and start."""
    start: InstrumentedAttribute[datetime] = Transaction.started_at
    chosen = chosen.where(Transaction.account_id == account.id)
    if period.since:
        chosen = chosen.where(start >= period.since)
    if period.until:
        chosen = chosen.where(start < period.until)
    return chosen.order_by(start.desc(), Transaction.id.desc())


def _some(work: UnitOfWork, chosen: Select[Any], limit: int) -> Some[Any]:
    rows = work.scalars(chosen.limit(limit + 1)).all()
    return Some(rows[:limit], len(rows) > limit)
