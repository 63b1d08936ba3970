"""The life of a tag on the staff's screen: its state, its group, and where they lead."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from app.clock import utcnow
from tests.databases import both_databases
from tests.factories import RFIDFactory

WORDS = {"IN": "in use", "NO": "without owner", "EX": "expired", "BL": "blacklisted", "XX": "expired"}
STATES = {"in_use": {"IN"}, "no_owner": {"NO"}, "expired": {"EX", "XX"}, "blacklisted": {"BL", "BX"}}


@pytest.fixture
def tags(work):
    """One or two in each state, by name."""
    before, after = utcnow() - timedelta(days=1), utcnow() + timedelta(days=1)
    RFIDFactory(rfid="IN", expires_at=after)
    RFIDFactory(rfid="NO", user=None)
    RFIDFactory(rfid="EX", expires_at=before)
    RFIDFactory(rfid="XX", user=None, expires_at=before)
    RFIDFactory(rfid="BL", user=None, allowed=False)
    RFIDFactory(rfid="BX", user=None, allowed=False, expires_at=before)


def listed(page):
    """Tag → the word on its badge."""
    row = r'<td class="col-rfid">\s*(\w+)\s*</td>\s*<td class="col-state">\s*<span class="badge[^>]*>([^<]*)<'
    return dict(re.findall(row, page.text))


@both_databases
def test_the_list_tells_the_state_of_each(staff, tags):
    assert listed(staff.get("/admin/rfids/")) == WORDS | {"BX": "blacklisted"}


@pytest.mark.parametrize("state", STATES)
@both_databases
def test_the_list_is_filtered_by_state_as_the_badges_say(staff, tags, state):
    assert set(listed(staff.get(f"/admin/rfids/?flt0_1={state}"))) == STATES[state]


def test_a_state_that_there_is_none_of_filters_nothing(staff, tags):
    assert len(listed(staff.get("/admin/rfids/?flt0_1=lost"))) == 6


@both_databases
def test_a_group_is_shown_searched_and_leads_to_its_tags(staff, work):
    RFIDFactory(rfid="AAAAAAAA", parent="FAMILY")
    RFIDFactory(rfid="BBBBBBBB", parent="family")
    RFIDFactory(rfid="CCCCCCCC", parent="FAMILY2")
    RFIDFactory(rfid="DDDDDDDD")

    assert set(listed(staff.get("/admin/rfids/?search=famil"))) == {"AAAAAAAA", "BBBBBBBB", "CCCCCCCC"}
    page = staff.get("/admin/rfids/").text
    link = html.unescape(re.search(r'href="([^"]*)">FAMILY</a>', page)[1])
    assert set(listed(staff.get(link))) == {"AAAAAAAA", "BBBBBBBB"}
    assert set(listed(staff.get("/admin/rfids/?flt0_0=%20family2"))) == {"CCCCCCCC"}


def test_a_group_stays_text(staff, work):
    RFIDFactory(parent="<B>&FLT")

    page = staff.get("/admin/rfids/").text

    assert "<B>" not in page
    assert "&lt;B&gt;&amp;FLT</a>" in page


def test_tags_and_accounts_lead_to_the_test_of_authorization(staff, act, work):
    tags = [RFIDFactory(rfid="AAAAAAAA"), RFIDFactory(rfid="BBBBBBBB")]
    accounts = [tag.user.account for tag in tags]

    assert 'href="/admin/authorization/?tag=AAAAAAAA"' in staff.get("/admin/rfids/").text
    assert f'href="/admin/authorization/?account={accounts[0].id}"' in staff.get("/admin/accounts/").text
    for screen, rows in (("rfids", tags), ("accounts", accounts)):
        page = act(screen, "test_authorization", *rows)
        assert page.request.path == "/admin/authorization/"
        assert page.text.count(">Accepted<") == 2
        assert all(f"{tag.rfid}</td>" in page.text for tag in tags)
