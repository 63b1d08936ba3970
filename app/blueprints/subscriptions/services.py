"""What can be done with products and subscriptions.

The day comes from the caller: it is the site's, and may differ from UTC's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.blueprints.accounts.models import Account
from app.blueprints.subscriptions.errors import InvalidAccount, InvalidProduct
from app.blueprints.subscriptions.models import Product, Subscription
from app.db import UnitOfWork

# Subscriptions renewed in one transaction: a long one would make chargers wait.
PIECE = 200
# What a column of ids holds.
LARGEST_ID = 2**31 - 1


def all_products(work: UnitOfWork) -> Sequence[Product]:
    """Every product, in the order in which they were made."""
    return work.scalars(select(Product).order_by(Product.id)).all()


def get_account(work: UnitOfWork, account_id: int, owner_id: int | None = None) -> Account:
    """The account with this id, and of the user ``owner_id`` if given. Raises ``InvalidAccount``."""
    account = work.get(Account, account_id) if 0 < account_id <= LARGEST_ID else None
    if account is None or owner_id not in (None, account.user_id):
        raise InvalidAccount
    return account


def get_product(work: UnitOfWork, product_id: int) -> Product:
    """The product with this id. Raises ``InvalidProduct``."""
    product = work.get(Product, product_id) if 0 < product_id <= LARGEST_ID else None
    if product is None:
        raise InvalidProduct
    return product


def subscribe(work: UnitOfWork, account: Account, product: Product, start_date: date) -> Subscription:
    """Let an account take a product from a day on; it is renewed a period later."""
    subscription = Subscription(
        account=account,
        product=product,
        start_date=start_date,
        next_renewal=start_date + timedelta(days=product.renewal_period),
    )
    work.add(subscription)
    work.flush()  # callers name the subscription by id
    return subscription


def subscriptions_of(work: UnitOfWork, account: Account) -> Sequence[Subscription]:
    """What an account takes, with the products, oldest first."""
    chosen = select(Subscription).where(Subscription.account_id == account.id)
    return work.scalars(chosen.options(joinedload(Subscription.product)).order_by(Subscription.id)).all()


def renew_piece(work: UnitOfWork, today: date) -> Sequence[Subscription]:
    """Renew what is due on ``today`` or was before, at most ``PIECE``; return what was renewed.

    Rows that another run is just renewing are left to it, so nothing is renewed twice.
    """
    due = work.scalars(
        select(Subscription)
        .where(Subscription.next_renewal <= today)
        .order_by(Subscription.next_renewal, Subscription.id)
        .limit(PIECE)
        .options(joinedload(Subscription.product, innerjoin=True))
        .with_for_update(of=Subscription, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for subscription in due:
        subscription.renew(today)
    return due
