"""Energy credit: a ledger, and the running total that it sums up to."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.blueprints.accounts.errors import AddedAlready, BadAmount, UnknownUser
from app.blueprints.accounts.models import Account, Credit, User
from app.blueprints.accounts.services import audit
from app.db import UnitOfWork

LARGEST_KWH = Decimal("99999999.99")  # decimal(10,2)


def get_account(work: UnitOfWork, username: str) -> Account:
    """The account of the user with this name. Raises ``UnknownUser``."""
    account = work.scalar(select(Account).join(User).where(User.username == username))
    if account is None:
        raise UnknownUser(username)
    return account


def add_credit(
    work: UnitOfWork,
    account: Account,
    amount_kwh: Decimal | str,
    created_by: User | None,
    form_key: str | None = None,
) -> Credit:
    """Write one line of the ledger; a negative amount takes credit away. Raises ``BadAmount``.

    ``form_key`` is of the form that it was entered in: ``AddedAlready`` when that form has added one before.
    The total grows in SQL, so that two at the same time both count.
    """
    amount = parse_amount(amount_kwh)
    credit = _written(
        work,
        account_id=account.id,
        amount_kwh=amount,
        created_by_id=created_by.id if created_by else None,
        form_key=form_key,
    )
    work.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(credited_wh=Account.credited_wh + int(amount * 1000))
        .execution_options(synchronize_session=False)
    )
    work.expire(account, ["credited_wh", "credits"])
    audit.record(work, created_by, "credit", "account", account.id, {"amount_kwh": str(amount)})
    return credit


def _written(work: UnitOfWork, **columns: Any) -> Credit:
    """A new line. One statement, so that a form that is sent twice at once is one line."""
    dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Credit).values(**columns)
    once = statement.on_conflict_do_nothing(index_elements=[Credit.form_key])
    credit = work.scalar(once.returning(Credit))
    if credit is None:
        raise AddedAlready(work.scalars(select(Credit).where(Credit.form_key == columns["form_key"])).one())
    return credit


def parse_amount(amount_kwh: Decimal | str) -> Decimal:
    """An amount in kWh with two decimals. Raises ``BadAmount``."""
    try:
        amount = Decimal(amount_kwh)
    except InvalidOperation:
        raise BadAmount from None
    if not amount.is_finite() or not amount or abs(amount) > LARGEST_KWH or amount != round(amount, 2):
        raise BadAmount
    return round(amount, 2)


def set_service(account: Account, service: bool) -> None:
    """Let an account charge whatever its balance, or no longer."""
    account.service_account = service
