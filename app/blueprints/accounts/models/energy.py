"""Energy: accounts, the credit ledger behind their balances, and the cars that draw on them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, String
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.blueprints.accounts import vin as vins
from app.clock import utcnow
from app.db import Base, Timestamp

if TYPE_CHECKING:
    from app.blueprints.accounts.models.people import User


class Account(Base):
    """The energy balance of one user.

    ``credited_wh`` and ``spent_wh`` are running totals, changed together with the
    rows they sum, so that a balance costs the same however long the history.
    """

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), unique=True)
    service_account: Mapped[bool] = mapped_column(default=False)
    credited_wh: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_wh: Mapped[int] = mapped_column(BigInteger, default=0)

    user: Mapped[User] = relationship(back_populates="account")
    credits: Mapped[list[Credit]] = relationship(back_populates="account", order_by="Credit.id")
    vehicles: Mapped[list[Vehicle]] = relationship(back_populates="account", order_by="Vehicle.id")

    @hybrid_property
    def balance_wh(self) -> int:
        """Lists sort and filter by it."""
        return self.credited_wh - self.spent_wh

    @property
    def credits_kwh(self) -> Decimal:
        return Decimal(self.credited_wh) / 1000

    @property
    def total_kwh_spent(self) -> Decimal:
        return Decimal(self.spent_wh) / 1000

    @property
    def balance_kwh(self) -> Decimal:
        return Decimal(self.balance_wh) / 1000

    def may_charge(self) -> bool:
        """A service account always, the others while there is credit."""
        return self.service_account or self.balance_wh > 0

    def __str__(self) -> str:
        return str(self.user)


class Credit(Base):
    """One movement of credit; never edited, never deleted: a correction is another credit."""

    __tablename__ = "credit"
    __table_args__ = (
        CheckConstraint("amount_kwh <> 0", name="not_zero"),
        Index("ix_credit_account", "account_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    amount_kwh: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_on: Mapped[Timestamp] = mapped_column(default=utcnow)
    # Of the form that it was entered in: the same form sent twice is one credit.
    form_key: Mapped[str | None] = mapped_column(String(36), unique=True)

    account: Mapped[Account] = relationship(back_populates="credits")
    created_by: Mapped[User | None] = relationship()


class Vehicle(Base):
    """A car that charges on an account."""

    __tablename__ = "vehicle"
    __table_args__ = (CheckConstraint("length(vin) = 17", name="vin"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    brand: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(100))
    # Vehicle Identification Number (ISO 3779), upper-cased.
    vin: Mapped[str] = mapped_column(String(17), unique=True)

    account: Mapped[Account] = relationship(back_populates="vehicles")

    @validates("vin")
    def _check_vin(self, _key: str, value: str) -> str:
        return vins.checked(value)

    def __str__(self) -> str:
        return f"{self.brand} {self.model}"
