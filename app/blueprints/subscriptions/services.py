"""What can be done with products and subscriptions.

The day comes from the caller: it is the site's, and may differ from UTC's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, timedelta

from babel.dates import format_date
from babel.numbers import format_decimal
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import mail
from app.blueprints.accounts.models import Account
from app.blueprints.mailer.services import find_template, queue_from_template
from app.blueprints.subscriptions.errors import InvalidAccount, InvalidProduct
from app.blueprints.subscriptions.models import Product, Subscription
from app.db import UnitOfWork
from app.domain_error import DomainError

log = logging.getLogger(__name__)

# Subscriptions renewed in one transaction: a long one would make chargers wait.
PIECE = 200
# What a column of ids holds.
LARGEST_ID = 2**31 - 1
# The template of the mail that tells of a renewal, and what it may ask for.
RENEWAL = "renewal"
mail.PLACEHOLDERS[RENEWAL] = (
    *("username", "product", "start_date", "next_renewal", "renewal_period", "balance_kwh"),
)


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


def renew_piece(work: UnitOfWork, today: date, language: str = "en") -> Sequence[Subscription]:
    """Renew what is due on ``today`` or was before, at most ``PIECE``; return what was renewed.

    Rows that another run is just renewing are left to it, so nothing is renewed twice. Who has an address is
    told by mail if there is a template for it; ``language`` is for those who have chosen none.
    """
    due = work.scalars(
        select(Subscription)
        .where(Subscription.next_renewal <= today)
        .order_by(Subscription.next_renewal, Subscription.id)
        .limit(PIECE)
        .options(
            joinedload(Subscription.product, innerjoin=True),
            joinedload(Subscription.account, innerjoin=True).joinedload(Account.user, innerjoin=True),
        )
        .with_for_update(of=Subscription, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for subscription in due:
        subscription.renew(today)
        _tell(work, subscription, subscription.account.user.language or language)
    return due


def _tell(work: UnitOfWork, subscription: Subscription, language: str) -> None:
    """Queue the mail about a renewal. An address that is none must not keep anything from being renewed."""
    user = subscription.account.user
    if not user.email or not user.is_active:
        return
    template = find_template(work, RENEWAL, language)
    if template is None:
        return
    try:
        queue_from_template(
            work, template, to=user.email, context=_renewal(subscription, language), language=language
        )
    except DomainError as refusal:
        log.warning("no mail about the renewal of subscription %d: %s", subscription.id, refusal.detail)


def _renewal(subscription: Subscription, language: str) -> dict[str, str]:
    account, product = subscription.account, subscription.product
    return {
        "username": account.user.username,
        "product": product.name,
        "start_date": format_date(subscription.start_date, "long", locale=language),
        "next_renewal": format_date(subscription.next_renewal, "long", locale=language),
        "renewal_period": str(product.renewal_period),
        "balance_kwh": format_decimal(account.balance_kwh, locale=language),
    }
