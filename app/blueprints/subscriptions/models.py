"""Products and subscriptions, with the rule that gives each renewal its date."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.blueprints.accounts.models import Account
from app.db import Base

# A hundred years: beyond it, dates run out of the calendar.
LONGEST_PERIOD_DAYS = 36_500


class Product(Base):
    """What an account can subscribe to, and for how many days at a time."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint(f"renewal_period BETWEEN 1 AND {LONGEST_PERIOD_DAYS}", name="renewal_period"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, default="")
    # In days.
    renewal_period: Mapped[int]

    def __str__(self) -> str:
        return self.name


class Subscription(Base):
    """A product that an account takes, until the next renewal and from there on."""

    __tablename__ = "subscription"
    __table_args__ = (CheckConstraint("next_renewal > start_date", name="renews_later"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    # Days in the site's zone.
    start_date: Mapped[date]
    # The index finds what is due.
    next_renewal: Mapped[date] = mapped_column(index=True)

    account: Mapped[Account] = relationship()
    product: Mapped[Product] = relationship()

    def renew(self, today: date) -> None:
        """Move the next renewal beyond ``today``, by whole periods however many were missed.

        Days are counted, never months, so neither month ends nor leap days shift a date.
        """
        period_days = self.product.renewal_period
        missed = (today - self.next_renewal).days // period_days + 1
        self.next_renewal += timedelta(days=max(missed, 0) * period_days)

    def __str__(self) -> str:
        return f"{self.account}: {self.product}"
