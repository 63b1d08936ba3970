"""Past and running transactions, chosen and told to people and programs. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal, select, tuple_
from sqlalchemy.orm import joinedload

from app.blueprints.accounts.models import Account, User
from app.blueprints.ocpp.models import Charger, Transaction
from app.blueprints.ocpp.services.overview import iso
from app.blueprints.ocpp.services.places import Place
from app.db import UnitOfWork, UTCDateTime

# Transactions that an export reads at a time: a few milliseconds' work.
CHUNK = 100
COLUMNS = (
    "id", "charger", "connector", "id_tag", "account", "username", "meter_start_wh", "meter_stop_wh",
    "energy_wh", "started_at", "stopped_at", "received_at", "stop_received_at", "stop_reason", "refused",
    "running", "flags",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Which transactions; None and empty do not choose. Times are the charger's, ``until`` is excluded."""

    charger: str = ""
    # An account's id, or its user's name.
    account: str = ""
    since: datetime | None = None
    until: datetime | None = None
    running: bool | None = None


def listed(
    work: UnitOfWork, choice: Choice, *, after: Place | None = None, page: int = 1, per_page: int
) -> tuple[Sequence[Transaction], bool]:
    """One page, newest first, and whether there are more. Nothing counts the rest.

    ``after``: behind this place, however far down it is, for the cost of a first page. Pages count from 1.
    """
    chosen = _chosen(choice)
    last = min(after.id, 2**31 - 1) if after else 0  # the column holds no more
    if choice.since or choice.until:  # read the period by its index
        chosen = chosen.order_by(Transaction.started_at.desc())
        if after:
            here = tuple_(literal(after.at, UTCDateTime), literal(last))
            chosen = chosen.where(tuple_(Transaction.started_at, Transaction.id) < here)
    elif after:
        chosen = chosen.where(Transaction.id < last)
    chosen = chosen.order_by(Transaction.id.desc()).limit(per_page + 1).offset((page - 1) * per_page)
    found = work.scalars(chosen).all()
    return found[:per_page], len(found) > per_page


def place(transaction: Transaction) -> Place:
    """Where a list goes on behind this one."""
    return Place(transaction.charger_id, transaction.started_at, transaction.id)


def find(work: UnitOfWork, transaction_id: int) -> Transaction | None:
    """One transaction by the id that the charger was given."""
    if transaction_id >= 2**31:
        return None
    return work.scalar(_with_names(select(Transaction)).where(Transaction.id == transaction_id))


def told(transaction: Transaction) -> dict[str, Any]:
    """A transaction in the words of the API, with the keys ``COLUMNS``."""
    account = transaction.account
    return {
        "id": transaction.id,
        "charger": transaction.charger.charger_id,
        "connector": transaction.connector_id,
        "id_tag": transaction.id_tag,
        "account": transaction.account_id,
        "username": account.user.username if account else None,
        "meter_start_wh": transaction.meter_start_wh,
        "meter_stop_wh": transaction.meter_stop_wh,
        "energy_wh": transaction.energy_wh,
        "started_at": iso(transaction.started_at),
        "stopped_at": iso(transaction.stopped_at),
        "received_at": iso(transaction.received_at),
        "stop_received_at": iso(transaction.stop_received_at),
        "stop_reason": transaction.stop_reason,
        "refused": transaction.refused,
        "running": transaction.stopped_at is None,
        "flags": transaction.flags.split(),
    }


def csv_cells(transaction: Transaction) -> list[Any]:
    """A transaction as a line of CSV."""
    words = told(transaction)
    words["flags"] = transaction.flags
    return [words[name] for name in COLUMNS]


def _chosen(choice: Choice) -> Select[Transaction]:
    chosen = _with_names(select(Transaction))
    if choice.charger:
        charger = select(Charger.id).where(Charger.charger_id == choice.charger).scalar_subquery()
        chosen = chosen.where(Transaction.charger_id == charger)
    if choice.account:
        chosen = chosen.where(Transaction.account_id == _account(choice.account))
    if choice.since:
        chosen = chosen.where(Transaction.started_at >= choice.since)
    if choice.until:
        chosen = chosen.where(Transaction.started_at < choice.until)
    if choice.running is not None:
        stopped = Transaction.stopped_at
        chosen = chosen.where(stopped.is_(None) if choice.running else stopped.is_not(None))
    return chosen


def _account(text: str) -> Any:
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    return select(Account.id).join(User).where(User.username == text).scalar_subquery()


def _with_names(chosen: Select[Transaction]) -> Select[Transaction]:
    names = joinedload(Transaction.account).joinedload(Account.user)
    return chosen.options(joinedload(Transaction.charger), names)
