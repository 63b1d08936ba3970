"""An account's own page for staff: its newest credits, a form for one more that counts once, its cars."""

from __future__ import annotations

import html
import re
import threading
import uuid
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from app.blueprints.accounts.errors import AddedAlready
from app.blueprints.accounts.models import Account, AuditEntry, Credit, User, Vehicle
from app.blueprints.accounts.services import add_credit
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import AccountFactory, UserFactory, VehicleFactory

VIN = "1M8GDM9AXKP042788"


@pytest.fixture
def account(staff, work):
    """The account of ``joe``, without credit."""
    return AccountFactory(user__username="joe", credited_wh=0)


def page_of(staff, account):
    return staff.get(f"/admin/accounts/details/?id={account.id}")


def key_in(page):
    return re.search(r'name="form_key"[^>]*value="([0-9a-f-]{36})"', page.text)[1]


def credit_cells(page):
    """Who and how much, of each credit on the page."""
    table = page.text.partition('<h3 class="h5">Credits')[2].partition("<form")[0]
    rows = re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td><td[^>]*>([^<]*)</td></tr>", table)
    return [(who, amount) for _, who, amount in rows]


def add(staff, account, amount, key, more=None):
    data = {"amount_kwh": amount, "form_key": key} | (more or {})
    return staff.submit(f"/admin/accounts/credit/?id={account.id}", data)


# The ledger


@pytest.mark.parametrize("view", ["details", "edit"])
@both_databases
def test_the_newest_credits_are_there_with_who_and_a_way_to_all(staff, account, work, view):
    mary = UserFactory(username="mary")
    for amount in range(1, 24):
        add_credit(work, account, Decimal(amount), mary)
    add_credit(work, AccountFactory(), Decimal(99), mary)

    page = staff.get(f"/admin/accounts/{view}/?id={account.id}")

    assert credit_cells(page) == [("mary", f"{amount}.00") for amount in range(23, 3, -1)]
    link = re.search(r'href="(/admin/credits/[^"]*)"[^>]*>All its credits', page.text)[1]
    assert "(23)" in staff.get(html.unescape(link)).text


@both_databases
def test_credit_is_added_on_the_page_by_whoever_is_logged_in(staff, account, work):
    other = UserFactory()
    form = {"created_by": other.id, "created_by_id": other.id, "account": AccountFactory().id}

    answer = add(staff, account, "12.50", key_in(page_of(staff, account)), form)

    assert answer.location == f"/admin/accounts/details/?id={account.id}"
    assert messages(staff.get(answer.location)) == "12.50 kWh added."
    line = work.scalars(select(Credit)).one()
    assert (line.account, line.amount_kwh, line.created_by.username) == (account, Decimal("12.50"), "staff")
    assert account.credited_wh == 12_500
    assert actions(work) == [("staff", "credit", "account")]


@both_databases
def test_the_same_form_again_adds_nothing_and_says_so(staff, account, work):
    key = key_in(page_of(staff, account))
    add(staff, account, "10", key)

    again = add(staff, account, "10", key)

    assert again.status_code == 200
    assert "this form has added 10 kWh to the account of joe already" in messages(again)
    assert count(work, Credit) == 1
    assert account.credited_wh == 10_000
    # One more click on the page that says so must not add anything either.
    assert key_in(again) != key
    assert not re.search(r'name="amount_kwh"[^>]*value="[^"]', again.text)


@both_databases
def test_a_form_that_was_gone_back_to_and_changed_is_asked_for_again(staff, account, work):
    key = key_in(page_of(staff, account))
    add(staff, account, "10", key)

    again = add(staff, account, "20", key)

    assert "has added 10 kWh" in messages(again)
    assert re.search(r'name="amount_kwh"[^>]*value="20"', again.text)  # nothing is lost
    add(staff, account, "20", key_in(again))
    assert [line.amount_kwh for line in work.scalars(select(Credit).order_by(Credit.id))] == [10, 20]


def test_two_forms_are_two_credits(staff, account, work):
    for _ in range(2):
        add(staff, account, "10", key_in(page_of(staff, account)))

    assert account.credited_wh == 20_000


@pytest.mark.parametrize("amount", ["", "0", "0.001", "x", "100000000", "NaN"])
def test_an_amount_that_cannot_be_is_an_error_next_to_it(staff, account, work, amount):
    page = add(staff, account, amount, str(uuid.uuid4()))

    assert page.status_code == 200
    assert re.search(r'name="amount_kwh"(?:(?!</form>).)*invalid-feedback', page.text, re.S)
    assert count(work, Credit) == 0


@pytest.mark.parametrize("key", ["", "x", "\0", "9" * 1000, "' OR 1=1"])
@both_databases
def test_a_form_with_a_key_that_is_none_counts_as_one_of_its_own(staff, account, work, key):
    for _ in range(2):
        assert add(staff, account, "1", key).status_code == 302

    assert account.credited_wh == 2_000


@pytest.mark.parametrize("id", ["", "x", "999", "9" * 30])
def test_an_account_that_is_not_there_is_a_sentence(staff, work, id):
    for path in ("credit", "vehicle"):
        answer = staff.submit(f"/admin/accounts/{path}/?id={id}", {"amount_kwh": "1"}, follow_redirects=True)
        assert "Record does not exist." in messages(answer)


def test_drivers_add_nothing(client, work):
    account = AccountFactory(credited_wh=0)
    client.log_in(account.user)

    for path in ("credit", "vehicle"):
        assert (
            client.submit(f"/admin/accounts/{path}/?id={account.id}", {"amount_kwh": "5"}).status_code == 403
        )
    assert count(work, Credit) == 0


# The separate form


@both_databases
def test_the_separate_form_counts_once_too(staff, account, work):
    form = staff.get(f"/admin/credits/new/?account={account.id}")
    data = {"account": account.id, "amount_kwh": "7", "form_key": key_in(form)}
    assert staff.submit("/admin/credits/new/", data).status_code == 302

    again = staff.submit("/admin/credits/new/", data)

    assert "has added 7 kWh" in messages(again)
    assert count(work, Credit) == 1
    assert account.credited_wh == 7_000
    assert not re.search(r'name="amount_kwh"[^>]*value="[^"]', again.text)
    other = AccountFactory(user__username="mary", credited_wh=0)
    elsewhere = staff.submit("/admin/credits/new/", data | {"account": other.id})
    assert "to the account of joe already" in messages(elsewhere)
    assert other.credited_wh == 0
    staff.submit("/admin/credits/new/", data | {"account": other.id, "form_key": key_in(elsewhere)})
    assert other.credited_wh == 7_000


def test_a_form_that_was_wrong_keeps_its_key(staff, account):
    key = str(uuid.uuid4())

    page = staff.submit("/admin/credits/new/", {"account": account.id, "amount_kwh": "x", "form_key": key})

    assert key_in(page) == key


# The service


@both_databases
def test_a_key_counts_once_and_credits_without_one_all_count(work):
    account = AccountFactory(credited_wh=0)
    first = add_credit(work, account, "5", None, "a" * 36)

    with pytest.raises(AddedAlready) as refused:
        add_credit(work, account, "5", None, "a" * 36)
    for _ in range(2):
        add_credit(work, account, "1", None)

    assert refused.value.credit is first
    assert refused.value.status_code == 409
    assert account.credited_wh == 7_000


@both_databases
def test_a_double_click_adds_once_though_both_arrive_at_once(app, staff, account, work):
    work.commit()
    token, cookie, key = staff.csrf_token(), staff.get_cookie("session").value, str(uuid.uuid4())
    url, ready, statuses = f"/admin/accounts/credit/?id={account.id}", threading.Barrier(4), []

    def click():
        browser = app.test_client()
        browser.set_cookie("session", cookie)
        ready.wait(20)
        data = {"amount_kwh": "3", "form_key": key, "csrf_token": token}
        statuses.append(browser.post(url, data=data).status_code)

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    work.rollback()
    assert sorted(statuses) == [200, 200, 200, 302]
    assert work.scalar(select(func.count()).select_from(Credit)) == 1
    assert work.get(Account, account.id).credited_wh == 3_000


# Cars


def add_car(staff, account, **told):
    data = {"brand": "Nissan", "model": "Leaf", "vin": VIN} | told
    return staff.submit(f"/admin/accounts/vehicle/?id={account.id}", data)


@both_databases
def test_a_car_is_added_on_the_page_with_its_vin_upper_cased(staff, account, work):
    answer = add_car(staff, account, vin=f" {VIN.lower()} ", brand=" Nissan ")

    page = staff.get(answer.location)
    assert messages(page) == "Nissan Leaf added."
    car = work.scalars(select(Vehicle)).one()
    assert (car.account, car.brand, car.vin) == (account, "Nissan", VIN)
    assert VIN in page.text
    assert actions(work) == [("staff", "create", "vehicle")]


@pytest.mark.parametrize(
    "wrong",
    [{"vin": VIN[:-1]}, {"vin": ""}, {"vin": VIN.replace("M", "O")}, {"brand": " "}, {"model": "x" * 101}],
)
def test_a_car_that_cannot_be_is_an_error_and_nothing_is_lost(staff, account, work, wrong):
    page = add_car(staff, account, **wrong)

    assert page.status_code == 200
    assert "invalid-feedback" in page.text
    assert 'value="Leaf"' in page.text or "model" in wrong
    assert count(work, Vehicle) == 0


def test_a_car_of_somebody_else_is_named(staff, account, work):
    VehicleFactory(account__user__username="mary", vin=VIN)

    page = add_car(staff, account)

    assert f"the vehicle with the VIN {VIN} is on the account of mary" in page.text
    assert count(work, Vehicle) == 1


def test_a_car_is_edited_and_deleted_from_the_page(staff, account, work):
    car = VehicleFactory(account=account)
    page = page_of(staff, account).text
    back = f"/admin/accounts/details/?id={account.id}"

    edit = html.unescape(re.search(r'href="(/admin/vehicles/edit/[^"]*)"', page)[1])
    data = {"account": account.id, "brand": "Kia", "model": "Niro", "vin": VIN}
    assert staff.submit(edit, data).location == back
    assert re.search(rf'name="url" value="{re.escape(back)}"', page)
    assert staff.submit("/admin/vehicles/delete/", {"id": car.id, "url": back}).location == back

    assert count(work, Vehicle) == 0
    assert [entry.action for entry in work.scalars(select(AuditEntry))] == ["update", "delete"]


def test_the_list_reads_numbers_as_the_reader_writes_them(staff, work):
    AccountFactory(user__username="rich", credited_wh=12_345_678)
    work.scalars(select(User).where(User.username == "staff")).one().language = "es"

    assert "12,345.678" in staff.get("/admin/accounts/").text
