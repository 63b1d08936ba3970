"""The staff screens of products and subscriptions."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import Account
from app.blueprints.subscriptions.models import Product, Subscription
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import AccountFactory, ProductFactory, SubscriptionFactory, UserFactory

SCREENS = ("/admin/products/", "/admin/subscriptions/")
HISTORY = "This has history, so it cannot be deleted."


@both_databases
def test_staff_make_change_and_delete_products(staff, work):
    staff.submit("/admin/products/new/", {"name": "Basic", "renewal_period": "30"})
    row = work.scalars(select(Product)).one()
    assert (row.name, row.description, row.renewal_period) == ("Basic", "", 30)

    data = {"name": "Basic", "description": "Nights", "renewal_period": "365"}
    staff.submit(f"/admin/products/edit/?id={row.id}", data)
    work.refresh(row)
    assert (row.description, row.renewal_period) == ("Nights", 365)

    staff.submit("/admin/products/delete/", {"id": row.id})
    assert count(work, Product) == 0
    assert [name for _, name, _ in actions(work)] == ["create", "update", "delete"]


@both_databases
def test_what_is_no_product_is_refused(staff, work):
    for wrong in ({"name": ""}, {"name": "x" * 101}):
        answer = staff.submit("/admin/products/new/", {"name": "Basic", "renewal_period": "30"} | wrong)
        assert answer.status_code == 200
    for period_days in ("", "0", "-1", "36501", "x", "1.5", "9" * 30):
        answer = staff.submit("/admin/products/new/", {"name": "Basic", "renewal_period": period_days})
        assert answer.status_code == 200
    assert count(work, Product) == 0


@both_databases
def test_a_product_that_somebody_takes_is_not_deleted(staff, work):
    row = SubscriptionFactory()

    answer = staff.submit("/admin/products/delete/", {"id": row.product_id}, follow_redirects=True)

    assert HISTORY in messages(answer)
    assert count(work, Product) == count(work, Subscription) == 1


@both_databases
def test_a_user_with_subscriptions_is_not_deleted(staff, work):
    row = SubscriptionFactory()

    answer = staff.submit("/admin/users/delete/", {"id": row.account.user_id}, follow_redirects=True)

    assert HISTORY in messages(answer)
    assert work.get(Account, row.account_id)


@both_databases
def test_staff_subscribe_an_account(staff, work, monkeypatch):
    monkeypatch.setattr("app.clock.utcnow", lambda: datetime(2026, 1, 31, 12, tzinfo=UTC))
    account, product = AccountFactory(), ProductFactory(renewal_period=30)
    page = staff.get("/admin/subscriptions/new/").text
    assert 'value="2026-01-31"' in page
    assert "next_renewal" not in page

    data = {"account": account.id, "product": product.id, "start_date": "2026-01-15"}
    staff.submit("/admin/subscriptions/new/", data)

    row = work.scalars(select(Subscription)).one()
    assert (row.account, row.product) == (account, product)
    assert (row.start_date, row.next_renewal) == (date(2026, 1, 15), date(2026, 2, 14))
    assert actions(work) == [("staff", "create", "subscription")]


@both_databases
def test_what_is_no_subscription_is_refused(staff, work):
    right = {"account": AccountFactory().id, "product": ProductFactory().id, "start_date": "2026-01-15"}
    wrong = [{name: value} for name in right for value in ("", "x", "9" * 30, "\0")]
    for data in [*wrong, {"start_date": "9999-12-31"}]:
        answer = staff.submit("/admin/subscriptions/new/", right | data)
        assert answer.status_code in (200, 400), data
    assert count(work, Subscription) == 0


@both_databases
def test_staff_move_a_renewal_and_nothing_else(staff, work):
    row = SubscriptionFactory(start_date=date(2026, 1, 1))
    was = (row.account_id, row.product_id, row.start_date)
    address = f"/admin/subscriptions/edit/?id={row.id}"
    other = {"account": AccountFactory().id, "product": ProductFactory().id, "start_date": "2025-01-01"}

    staff.submit(address, {"next_renewal": "2026-06-01"} | other)
    work.refresh(row)
    assert row.next_renewal == date(2026, 6, 1)
    assert (row.account_id, row.product_id, row.start_date) == was

    for wrong in ("", "x", "2026-01-01", "2025-12-31"):
        answer = staff.submit(address, {"next_renewal": wrong})
        assert answer.status_code == 200
        if wrong.startswith("20"):
            assert "The next renewal comes after the start." in messages(answer)
    work.refresh(row)
    assert row.next_renewal == date(2026, 6, 1)


def test_deleting_a_subscription_ends_it(staff, work):
    row = SubscriptionFactory()

    staff.submit("/admin/subscriptions/delete/", {"id": row.id})

    assert count(work, Subscription) == 0
    assert count(work, Product) == 1
    assert actions(work) == [("staff", "delete", "subscription")]


@both_databases
def test_every_screen_can_be_listed_sorted_searched_filtered_and_looked_into(app, staff, work):
    row = SubscriptionFactory(account__user__username="joe", product__name="Basic")
    for screen, id in zip(SCREENS, (row.product_id, row.id), strict=True):
        page = staff.get(screen).text
        assert "Basic" in page
        addresses = {
            f"{screen}?search=Basic",
            f"{screen}details/?id={id}",
            f"{screen}edit/?id={id}",
            f"{screen}new/",
        }
        addresses |= set(map(html.unescape, re.findall(rf'href="({screen}[^"]*sort=[^"]*)"', page)))
        view = next(view for view in app.extensions["admin"][0]._views if f"{view.url}/" == screen)
        addresses |= {
            f"{screen}?flt0_{view.get_filter_arg(number, flt)}={value}"
            for number, flt in enumerate(view._filters)
            for value in ("1", "x", "2026-01-01", "2026-01-01 to 2026-02-01")
        }
        assert len(addresses) > 12
        for address in addresses:
            assert staff.get(address).status_code == 200, address


@both_databases
def test_an_account_is_picked_by_its_users_name_and_a_product_by_its_own(staff, work):
    joe, _anna = AccountFactory(user__username="joe"), AccountFactory(user__username="anna")
    basic, _yearly = ProductFactory(name="Basic"), ProductFactory(name="Yearly")
    lookup = "/admin/subscriptions/ajax/lookup/?name="

    assert staff.get(f"{lookup}account&query=JO").json == [[joe.id, "joe"]]
    assert staff.get(f"{lookup}product&query=bas").json == [[basic.id, "Basic"]]


@pytest.mark.parametrize("screen", SCREENS)
def test_only_staff_see_the_screens(client, api, work, screen):
    assert client.get(screen).location == f"/login/?next={screen}"
    assert client.get(screen, headers=api).status_code == 403
    client.log_in(UserFactory())
    assert client.get(screen).status_code == 403
    assert client.submit(f"{screen}delete/", {"id": "1"}).status_code == 403
