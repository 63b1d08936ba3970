"""Staff ask what a charger would be told: by the chargers' own rule, in their own words, without a trace."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.ocpp import words
from app.blueprints.ocpp.models import Refusal, Transaction, UnknownTag
from app.blueprints.ocpp.rows import ChargerRow
from app.blueprints.ocpp.services import authorization
from app.blueprints.ocpp.terms import Settings
from app.blueprints.ocpp.work import Work
from app.clock import utcnow
from app.db import UnitOfWork, db
from tests.clients import Browser
from tests.databases import both_databases, only_postgres
from tests.factories import AccountFactory, ChargerFactory, RFIDFactory, TransactionFactory, UserFactory
from tests.ocpp.test_admin import statements

PATH = "/admin/authorization/"


def verdicts(staff: Browser, **asked: object) -> list[tuple[str, str, str, str]]:
    """(tag, user, answer, reason) of each line of the page."""
    page = staff.get(PATH, query_string=asked)
    assert page.status_code == 200
    lines = []
    for row in re.findall(r"<tr>(.*?)</tr>", page.text, re.S):
        cells = [
            html.unescape(re.sub(r"<[^>]*>", "", cell)).strip()
            for cell in re.findall(r"<td.*?</td>", row, re.S)
        ]
        if cells:
            lines.append((cells[0], cells[1], cells[3], cells[4]))
    return lines


def tags_of_every_kind() -> dict[str, str]:
    """Tag → why a charger that asks for tags refuses it; empty where it does not."""
    yesterday = utcnow() - timedelta(days=1)
    RFIDFactory(rfid="GOOD", user__username="rich")
    RFIDFactory(rfid="SERVED", user__account__credited_wh=0, user__account__service_account=True)
    RFIDFactory(rfid="BLOCKED", user=None, allowed=False)
    RFIDFactory(rfid="EXPIRED", expires_at=yesterday)
    RFIDFactory(rfid="LONELY", user=None)
    RFIDFactory(rfid="LOCKED", user__is_active=False)
    RFIDFactory(rfid="BROKE", user__account__credited_wh=0)
    return {
        "GOOD": "", "SERVED": "", "BLOCKED": "blocked", "EXPIRED": "expired", "LONELY": "no_owner",
        "LOCKED": "owner_locked", "BROKE": "no_credit", "STRANGE": "unknown",
    }  # fmt: skip


@both_databases
def test_every_kind_of_tag_is_told_what_a_charger_would_be(staff: Browser, work: UnitOfWork) -> None:
    expected = tags_of_every_kind()
    strict, open_to_all = (
        ChargerFactory(charger_id="STRICT", require_rfid=True),
        ChargerFactory(charger_id="OPEN"),
    )

    found = {tag: (answer, why) for tag, _, answer, why in verdicts(staff, tag=list(expected))}
    assert found == {
        tag: (authorization.REASONS.get(reason, "Accepted"), words.reason(reason) or "it may charge")
        for tag, reason in expected.items()
    }
    for charger in (strict, open_to_all):
        with db.engine.connect() as connection:
            rules = Work(connection, Settings())
            row = ChargerRow(charger.id, charger.charger_id, charger.require_rfid, "Accepted", None)
            told = {tag: authorization.decide(rules, row, tag).status for tag in expected}
        asked = verdicts(staff, tag=list(expected), charger=charger.charger_id)
        assert {tag: answer for tag, _, answer, _ in asked} == told
    assert "OPEN serves everybody but" in staff.get(f"{PATH}?tag=GOOD&charger=OPEN").text


def test_tags_compare_without_case_and_are_asked_once(staff: Browser, work: UnitOfWork) -> None:
    RFIDFactory(rfid="GOOD", user__username="rich")

    assert verdicts(staff, tag=[" good ", "GOOD"]) == [("GOOD", "rich", "Accepted", "it may charge")]


@both_databases
def test_an_account_is_tried_with_each_of_its_tags(staff: Browser, work: UnitOfWork) -> None:
    user = UserFactory(username="joe")
    RFIDFactory(rfid="BBBB", user=user, expires_at=utcnow() - timedelta(days=1))
    RFIDFactory(rfid="AAAA", user=user)

    expected = [
        ("AAAA", "joe", "Accepted", "it may charge"),
        ("BBBB", "joe", "Expired", "the tag has expired"),
    ]
    assert verdicts(staff, account=user.account.id) == expected
    assert verdicts(staff, user="joe") == expected
    assert verdicts(staff, user="joe", tag="AAAA") == expected


@both_databases
def test_an_account_without_tags_is_told_what_one_would_be(staff: Browser, work: UnitOfWork) -> None:
    accounts = [
        AccountFactory(user__username="a-rich"),
        AccountFactory(user__username="b-broke", credited_wh=0),
        AccountFactory(user__username="c-locked", user__is_active=False),
        AccountFactory(user__username="d-served", credited_wh=0, service_account=True),
    ]

    assert verdicts(staff, account=[account.id for account in accounts]) == [
        ("none yet", "a-rich", "Accepted", "it may charge"),
        ("none yet", "b-broke", "Blocked", "its owner has no credit left"),
        ("none yet", "c-locked", "Blocked", "its owner is locked"),
        ("none yet", "d-served", "Accepted", "it may charge"),
    ]


@both_databases
def test_what_only_a_start_asks_is_asked_too(staff: Browser, work: UnitOfWork) -> None:
    busy = ChargerFactory(charger_id="BUSY", require_rfid=True, last_seen=utcnow())
    tag = RFIDFactory(rfid="GOOD", user__username="joe")
    ChargerFactory(charger_id="NEW", registration_status="Pending")
    TransactionFactory(charger=busy, id_tag="GOOD", account=tag.user.account)

    assert verdicts(staff, tag="GOOD")[0][2:] == ("ConcurrentTx", "the tag charges elsewhere")
    assert verdicts(staff, tag="GOOD", charger="NEW")[0][2:] == ("Invalid", "the charger is not accepted")
    other = AccountFactory(user__username="mary")
    assert verdicts(staff, account=other.id, charger="NEW")[0][2:] == (
        "Invalid",
        "the charger is not accepted",
    )


@both_databases
def test_asking_leaves_no_trace(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1", require_rfid=True)

    verdicts(staff, tag=["STRANGE", "GOOD"], charger="CP1")

    for model in (AuditEntry, Refusal, Transaction, UnknownTag):
        assert work.scalars(select(model)).all() == []


@only_postgres
def test_what_it_locks_it_lets_go(staff: Browser, work: UnitOfWork) -> None:
    RFIDFactory(rfid="GOOD")

    verdicts(staff, tag="GOOD")

    with db.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT id FROM rfid FOR UPDATE NOWAIT").all()


def test_somebody_who_is_not_there_is_an_error_next_to_the_field(staff: Browser, work: UnitOfWork) -> None:
    for field, sentence in (("user", "There is no user nobody."), ("charger", "There is no charger nobody.")):
        page = staff.get(PATH, query_string={field: "nobody", "tag": "GOOD"}).text
        assert sentence in page
        assert 'value="GOOD"' in page
        assert "<td" not in page


@pytest.mark.parametrize(
    "asked",
    [
        {"tag": "\0"}, {"tag": "x" * 5000}, {"tag": ["x"] * 600}, {"account": "x"}, {"account": "9" * 30},
        {"account": ["1"] * 600}, {"charger": "\0"}, {"user": "\0"}, {"user": "x" * 5000}, {"tag": "<b>"}, {},
        {"account": "\u00b2"},
    ],
)  # fmt: skip
@both_databases
def test_nonsense_is_never_an_error_of_ours(
    staff: Browser, work: UnitOfWork, asked: dict[str, object]
) -> None:
    page = staff.get(PATH, query_string=asked)

    assert page.status_code == 200
    assert "<b>" not in page.text.partition("</nav>")[2]


def test_what_was_chosen_in_a_list_stays_while_the_charger_is_changed(
    staff: Browser, work: UnitOfWork
) -> None:
    account = AccountFactory()

    page = staff.get(PATH, query_string={"tag": ["AAAA", "BBBB"], "account": account.id}).text

    assert '<input type="hidden" name="tag" value="BBBB">' in page
    assert f'<input type="hidden" name="account" value="{account.id}">' in page


def test_it_is_for_staff(client: Browser, work: UnitOfWork) -> None:
    assert client.get(PATH).location == "/login/?next=/admin/authorization/"
    client.log_in(UserFactory())
    assert client.get(PATH).status_code == 403


def test_many_accounts_cost_few_questions(staff: Browser, work: UnitOfWork) -> None:
    ChargerFactory(charger_id="CP1", require_rfid=True)
    for n in range(40):
        AccountFactory(user__username=f"u{n:02}", credited_wh=0)
    ids = "&".join(f"account={id}" for id in range(1, 42))

    assert len(statements(staff, f"{PATH}?charger=CP1&{ids}")) < 15
