"""The staff screens of tags, accounts and credit."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import RFID, Account, AuditEntry, Credit
from app.blueprints.accounts.services import add_credit
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import AccountFactory, RFIDFactory, UserFactory


@both_databases
def test_a_tag_is_made_upper_cased_with_an_aware_expiry(staff, work):
    user = UserFactory(username="joe")
    data = {"rfid": " 0a0b0c0d ", "user": user.id, "allowed": "y", "parent": "family"}

    staff.submit("/admin/rfids/new/", data | {"expires_at": "2030-01-31 23:59:59"})

    tag = work.scalars(select(RFID)).one()
    assert (tag.rfid, tag.user, tag.allowed, tag.parent) == ("0A0B0C0D", user, True, "FAMILY")
    assert tag.expires_at == datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert "2030-01-31 23:59:59" in staff.get(f"/admin/rfids/edit/?id={tag.id}").text
    assert "Jan 31, 2030, 11:59:59\u202fPM" in staff.get("/admin/rfids/").text


@pytest.mark.parametrize(
    "rfid", ["", "XYZ", "0A0B0C0", "0A0B0C0DE", "0A0B0C0G", "0A0B0C0D0E", "AAAAAAAA", "aaaaaaaa"]
)
def test_a_tag_that_is_no_card_or_known_already_is_refused(staff, work, rfid):
    RFIDFactory(rfid="AAAAAAAA")

    answer = staff.submit("/admin/rfids/new/", {"rfid": rfid, "allowed": "y"})

    assert answer.status_code == 200
    assert count(work, RFID) == 1
    if rfid and rfid.upper() != "AAAAAAAA":
        assert "RFID must be 8, 14 or 20 hexadecimal digits" in answer.text


def test_a_tag_of_another_kind_can_still_be_edited(staff, work):
    tag = RFIDFactory(rfid="KEYFOB-1")

    staff.submit(f"/admin/rfids/edit/?id={tag.id}", {"rfid": "KEYFOB-1", "allowed": "y", "parent": "X"})

    assert tag.parent == "X"


def test_a_tag_that_is_not_allowed_loses_its_user_in_the_form_too(staff, work):
    tag = RFIDFactory(user__username="joe")

    staff.submit(f"/admin/rfids/edit/?id={tag.id}", {"rfid": tag.rfid, "user": tag.user_id})

    assert (tag.allowed, tag.user) == (False, None)


@both_databases
def test_tags_are_blacklisted_and_allowed_again(act, work):
    tags = [RFIDFactory(), RFIDFactory()]
    user_id = tags[0].user_id

    assert "2 tags blacklisted." in messages(act("rfids", "blacklist", *tags))
    assert [(tag.blacklisted, tag.user) for tag in tags] == [(True, None)] * 2
    entry = work.scalars(select(AuditEntry)).first()
    assert entry.details == {"allowed": [True, False], "user_id": [user_id, None]}
    act("rfids", "allow", tags[0])
    assert [tag.allowed for tag in tags] == [True, False]


def test_tags_are_found_by_their_user(staff, work):
    RFIDFactory(rfid="AAAAAAAA", user__username="joe")
    RFIDFactory(rfid="BBBBBBBB", user__username="mary")

    page = staff.get("/admin/rfids/?search=joe").text

    assert "AAAAAAAA" in page
    assert "BBBBBBBB" not in page


@both_databases
def test_accounts_show_balances_and_what_a_charger_would_be_told(staff, work):
    AccountFactory(user__username="rich", credited_wh=12_345, spent_wh=45)
    AccountFactory(user__username="broke", credited_wh=0, spent_wh=10)
    AccountFactory(user__username="served", credited_wh=0, service_account=True)
    AccountFactory(user__username="barred", user__is_active=False)

    page = staff.get("/admin/accounts/?search=r").text
    rows = {
        name: re.search(rf"<td[^>]*>\s*{name}\s*</td>.*?</tr>", page, re.S) for name in ("rich", "served")
    }

    assert all(text in rows["rich"][0] for text in ("12.345", "0.045", "12.300", "Accepted"))
    assert "Accepted: service account" in rows["served"][0]
    assert "Refused: no credit" in page
    assert "Refused: the user is locked" in page


def test_accounts_are_sorted_by_balance(staff, work):
    for name, credited, spent in (("one", 5_000, 4_000), ("three", 3_000, 0), ("two", 9_000, 7_000)):
        AccountFactory(user__username=name, credited_wh=credited, spent_wh=spent)

    page = staff.get("/admin/accounts/").text
    address = html.unescape(re.search(r'href="([^"]+sort=\d[^"]*)"[^>]*>\s*Balance', page)[1])
    rows = re.findall(r"<td[^>]*>\s*(one|two|three)\s*</td>", staff.get(address).text)

    assert rows == ["one", "two", "three"]


def test_the_service_flag_is_edited_and_accounts_are_neither_made_nor_deleted(staff, work):
    account = AccountFactory()

    staff.submit(f"/admin/accounts/edit/?id={account.id}", {"service_account": "y", "credited_wh": "999"})
    staff.submit("/admin/accounts/delete/", {"id": account.id})
    staff.submit("/admin/accounts/new/", {"service_account": "y"})

    assert account.service_account
    assert account.credited_wh == 100_000
    assert count(work, Account) == 2
    assert actions(work) == [("staff", "update", "account")]


@both_databases
def test_credit_is_added_by_whoever_is_logged_in(staff, work):
    account = AccountFactory(user__username="joe", credited_wh=0)
    other = UserFactory()
    form = staff.get(f"/admin/credits/new/?account={account.id}").text
    assert f'value="{account.id}"' in form

    data = {"account": account.id, "amount_kwh": "12.50", "created_by": other.id, "created_by_id": other.id}
    assert staff.submit("/admin/credits/new/", data).status_code == 302

    line = work.scalars(select(Credit)).one()
    assert (line.amount_kwh, line.created_by.username, account.credited_wh) == (
        Decimal("12.50"),
        "staff",
        12_500,
    )
    assert ("staff", "credit", "account") in actions(work)


@pytest.mark.parametrize("amount", ["", "0", "0.001", "x", "100000000", "NaN", "Infinity", "1e400"])
def test_credit_that_cannot_be_is_refused(staff, work, amount):
    account = AccountFactory(credited_wh=0)

    assert (
        staff.submit("/admin/credits/new/", {"account": account.id, "amount_kwh": amount}).status_code == 200
    )

    assert count(work, Credit) == account.credited_wh == 0


def test_the_ledger_is_never_edited_or_deleted(staff, act, work):
    line = add_credit(work, AccountFactory(credited_wh=0), Decimal(5), None)

    staff.submit(f"/admin/credits/edit/?id={line.id}", {"amount_kwh": "6"})
    staff.submit("/admin/credits/delete/", {"id": line.id})
    act("credits", "delete", line)

    assert [credit.amount_kwh for credit in work.scalars(select(Credit))] == [5]
