"""The JSON addresses of subscriptions: what they answer, what they refuse, and to whom."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import event, func, select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.subscriptions.models import Subscription
from app.db import db
from tests.databases import both_databases
from tests.factories import AccountFactory, ProductFactory, SubscriptionFactory, UserFactory

PRODUCTS, SUBSCRIBE, LIST = "/subscriptions/products/", "/subscriptions/subscribe/", "/subscriptions/list/"


@pytest.fixture
def _late_evening(monkeypatch):
    """Still 31 January in Monterrey, though February has begun in UTC."""
    monkeypatch.setattr("app.clock.utcnow", lambda: datetime(2026, 2, 1, 2, tzinfo=UTC))


@pytest.fixture
def driver(client, work):
    """The browser of a driver, who has an account."""
    user = UserFactory()
    client.log_in(user)
    client.account = user.account
    return client


def order(account, product):
    return {"account_id": account.id, "product_id": product.id}


def subscribe(browser, body):
    """Ask as a script of our own pages would."""
    return browser.post(SUBSCRIBE, json=body, headers={"X-CSRFToken": browser.csrf_token()})


def total(work):
    return work.scalar(select(func.count()).select_from(Subscription))


@both_databases
def test_anybody_may_see_the_products(client, work):
    first = ProductFactory(name="Basic", description="Nights only", renewal_period=30)
    second = ProductFactory(name="Año", renewal_period=365)

    answer = client.get(PRODUCTS)

    assert answer.status_code == 200
    assert answer.json == {
        "products": [
            {"id": first.id, "name": "Basic", "description": "Nights only", "renewal_period": 30},
            {"id": second.id, "name": "Año", "description": "", "renewal_period": 365},
        ]
    }


def test_without_products_the_list_is_empty(client):
    assert client.get(PRODUCTS).json == {"products": []}


@both_databases
@pytest.mark.usefixtures("_late_evening")
@pytest.mark.parametrize("overrides", [{"TIME_ZONE": "America/Monterrey"}])
def test_a_subscription_starts_today_where_the_site_is_and_renews_a_period_later(client, api, work):
    account, product = AccountFactory(), ProductFactory(name="Basic", renewal_period=30)

    answer = client.post(SUBSCRIBE, json=order(account, product), headers=api)

    row = work.scalars(select(Subscription)).one()
    assert (answer.status_code, answer.json) == (200, {"id": row.id})
    assert (row.account, row.product) == (account, product)
    assert (row.start_date, row.next_renewal) == (date(2026, 1, 31), date(2026, 3, 2))
    (entry,) = work.scalars(select(AuditEntry))
    assert (entry.username, entry.action, entry.subject) == ("robot", "create", "subscription")
    assert entry.details["account_id"] == [None, account.id]
    listed = client.get(f"{LIST}?account_id={account.id}", headers=api)
    assert (listed.status_code, listed.json) == (
        200,
        {"subscriptions": [{"id": row.id, "product__name": "Basic", "next_renewal": "2026-03-02"}]},
    )


@both_databases
def test_an_account_is_told_its_own_subscriptions_oldest_first(client, api, work):
    account = AccountFactory()
    rows = [SubscriptionFactory(account=account), SubscriptionFactory(account=account)]
    SubscriptionFactory()

    listed = client.get(f"{LIST}?account_id={account.id}", headers=api).json["subscriptions"]

    assert [row["id"] for row in listed] == [row.id for row in rows]


def test_an_account_without_subscriptions_is_told_so(client, api, work):
    account = AccountFactory()

    assert client.get(f"{LIST}?account_id={account.id}", headers=api).json == {"subscriptions": []}


def test_a_long_list_is_one_question(app, client, api, work):
    account = AccountFactory()
    SubscriptionFactory.create_batch(20, account=account)
    work.commit()
    asked = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    client.get(f"{LIST}?account_id={account.id}", headers=api)

    assert sum("FROM subscription" in sql or "FROM product" in sql for sql in asked) == 1


@both_databases
def test_the_owner_of_an_account_subscribes_and_lists(driver, work):
    product = ProductFactory()

    assert subscribe(driver, order(driver.account, product)).status_code == 200
    assert len(driver.get(f"{LIST}?account_id={driver.account.id}").json["subscriptions"]) == 1


def test_staff_subscribe_and_list_for_anybody(staff, work):
    account, product = AccountFactory(), ProductFactory()

    assert subscribe(staff, order(account, product)).status_code == 200
    assert len(staff.get(f"{LIST}?account_id={account.id}").json["subscriptions"]) == 1


@both_databases
def test_another_users_account_looks_like_one_that_does_not_exist(driver, work):
    account, product = AccountFactory(), ProductFactory()
    SubscriptionFactory(account=account)

    for account_id in (account.id, account.id + 100):
        body = {"account_id": account_id, "product_id": product.id}
        for answer in (subscribe(driver, body), driver.get(f"{LIST}?account_id={account_id}")):
            assert (answer.status_code, answer.json) == (404, {"detail": "invalid account"})
    assert total(work) == 1


def test_strangers_are_answered_401_first(client):
    for address in (SUBSCRIBE, LIST):
        for method in ("GET", "POST"):
            answer = client.open(address, method=method)

            assert (answer.status_code, answer.json) == (401, {"detail": "log in, or send an API token"})


def test_a_session_needs_a_csrf_token_to_subscribe(driver, work):
    answer = driver.post(SUBSCRIBE, json=order(driver.account, ProductFactory()))

    assert answer.status_code == 400
    assert "CSRF" in answer.json["detail"]
    assert total(work) == 0


def test_whoever_logged_in_by_tag_may_look_and_not_subscribe(driver, work):
    with driver.session_transaction() as session:
        session["by_tag"] = True

    answer = subscribe(driver, order(driver.account, ProductFactory()))

    assert (answer.status_code, answer.json) == (
        403,
        {"detail": "a tag alone may only look: log in with your password"},
    )
    assert total(work) == 0
    assert driver.get(f"{LIST}?account_id={driver.account.id}").status_code == 200


@pytest.mark.parametrize("overrides", [{"NODE_TOKEN": "node-secret"}])
def test_the_node_token_does_not_subscribe(client, work):
    headers = {"Authorization": "Bearer node-secret"}

    answer = client.post(SUBSCRIBE, json=order(AccountFactory(), ProductFactory()), headers=headers)

    assert answer.status_code == 401


def test_subscribing_takes_a_post(client, api):
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.open(SUBSCRIBE, method=method, headers=api)

        assert (answer.status_code, answer.json) == (400, {"detail": "POST required"})


def test_lists_take_a_get(client, api):
    for address in (PRODUCTS, LIST):
        answer = client.post(address, headers=api)

        assert answer.status_code == 405
        assert answer.json["detail"]


def test_an_order_may_be_a_form(client, api, work):
    body = order(AccountFactory(), ProductFactory())

    assert client.post(SUBSCRIBE, data=body, headers=api).status_code == 200
    assert client.post(SUBSCRIBE, json={name: str(id) for name, id in body.items()}, headers=api).json
    assert total(work) == 2


def refusals(client, headers, bodies):
    """What each of these bodies is answered, every answer once."""
    answers = [client.post(SUBSCRIBE, json=body, headers=headers) for body in bodies]
    return {(answer.status_code, answer.json["detail"]) for answer in answers}


def test_an_order_names_account_and_product(client, api, work):
    right = order(AccountFactory(), ProductFactory())
    without = ({}, {"account_id": right["account_id"]}, {"product_id": right["product_id"]})
    junk = (right | {"account_id": ""}, right | {"product_id": None}, [], [1], "x", 5, None)

    assert refusals(client, api, [*without, *junk]) == {(400, "account_id and product_id required")}
    for text in (b"", b"{", b"\xff", b"[" * 200_000):
        answer = client.post(SUBSCRIBE, data=text, content_type="application/json", headers=api)
        assert answer.json == {"detail": "account_id and product_id required"}
    assert total(work) == 0


def test_an_id_is_a_whole_number(client, api, work):
    right = order(AccountFactory(), ProductFactory())
    for name in ("account_id", "product_id"):
        junk = ("x", "1x", 1.5, True, [], [1], {}, "\0", "9" * 30, "١", "1 OR 1=1")
        found = refusals(client, api, [right | {name: value} for value in junk])

        assert found == {(400, f"{name} must be a whole number")}


@both_databases
def test_a_product_that_does_not_exist_is_answered_404(client, api, work):
    right = order(AccountFactory(), ProductFactory())
    ids = (right["product_id"] + 100, 0, -1, 2**31, 2**63, 2**64)

    found = refusals(client, api, [right | {"product_id": id} for id in ids])

    assert found == {(404, "invalid product")}
    assert total(work) == 0


@both_databases
def test_an_account_that_does_not_exist_is_answered_404(client, api, work):
    right = order(AccountFactory(), ProductFactory())
    ids = (right["account_id"] + 100, 0, -1, 2**31, 2**63, 2**64)

    assert refusals(client, api, [right | {"account_id": id} for id in ids]) == {(404, "invalid account")}
    for id in ids:
        answer = client.get(f"{LIST}?account_id={id}", headers=api)
        assert (answer.status_code, answer.json) == (404, {"detail": "invalid account"})


def test_a_list_is_of_an_account(client, api):
    for query in ("", "?account_id=", "?account=1"):
        answer = client.get(LIST + query, headers=api)
        assert (answer.status_code, answer.json) == (400, {"detail": "account_id required"})
    for query in ("?account_id=x", "?account_id=1.5", "?account_id=%00", "?account_id=" + "9" * 30):
        answer = client.get(LIST + query, headers=api)
        assert (answer.status_code, answer.json) == (400, {"detail": "account_id must be a whole number"})
