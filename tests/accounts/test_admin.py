"""The staff screens of accounts: who sees them, lists, nonsense, the trail."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.blueprints.accounts.models import AuditEntry, TagImport
from app.blueprints.accounts.services import add_credit, create_token
from tests.accounts.screens import SCREENS, actions
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory, VehicleFactory

# What a filter on times asks for; the others take a 1.
SAMPLES = {
    "datetimepicker": "2026-01-01 00:00:00",
    "datetimerangepicker": "2026-01-01 00:00:00 to 2026-02-01 00:00:00",
}


@pytest.mark.parametrize("screen", SCREENS)
def test_strangers_are_sent_to_the_login_page(client, screen):
    answer = client.get(f"/admin/{screen}/")

    assert answer.status_code == 302
    assert answer.location == f"/login/?next=/admin/{screen}/"


@pytest.mark.parametrize("screen", SCREENS)
def test_drivers_and_tokens_are_told_no(client, api, work, screen):
    assert client.get(f"/admin/{screen}/", headers=api).status_code == 403
    client.log_in(UserFactory())
    assert client.get(f"/admin/{screen}/").status_code == 403
    assert client.submit(f"/admin/{screen}/delete/", {"id": "1"}).status_code == 403


@both_databases
def test_every_screen_can_be_listed_sorted_searched_filtered_and_looked_into(app, staff, work):
    user = RFIDFactory(expires_at=datetime(2030, 1, 1, tzinfo=UTC)).user
    add_credit(work, user.account, Decimal(5), user)
    create_token(work, user, "reader")
    VehicleFactory(account=user.account)
    work.add(TagImport(created_by_id=user.id))
    for screen in SCREENS:
        page = staff.get(f"/admin/{screen}/")
        assert page.status_code == 200
        assert "page_size=" in page.text
        addresses = {f"/admin/{screen}/?search=user", f"/admin/{screen}/details/?id=1"}
        addresses |= set(
            map(html.unescape, re.findall(rf'href="(/admin/{screen}/[^"]*sort=[^"]*)"', page.text))
        )
        view = next(view for view in app.extensions["admin"][0]._views if view.url == f"/admin/{screen}")
        filters = "&".join(
            f"flt{n}_{view.get_filter_arg(n, flt)}={SAMPLES.get(flt.data_type, '1')}"
            for n, flt in enumerate(view._filters)
        )
        addresses.add(f"/admin/{screen}/?{filters}")
        assert len(addresses) > 4
        for address in addresses:
            assert staff.get(address).status_code == 200, address


@pytest.mark.parametrize("screen", SCREENS)
@both_databases
def test_nonsense_in_an_address_is_never_an_error_of_ours(staff, screen):
    huge = "9" * 30
    addresses = [
        *(f"details/?id={id}" for id in (huge, "x", "%00")),
        *("edit/", f"edit/?id={huge}", "edit/?id=-1"),
        *(f"?page={page}" for page in (huge, "-1", "x")),
        *(f"?page_size={huge}", "?search=%00", "?search=%25_%27", f"?sort={huge}", "?sort=-1"),
        *("?flt0_0=%00", f"?flt0_0={huge}", "?flt1_99=1"),
        *("ajax/lookup/?name=user&query=%00", "ajax/lookup/?name=x&query=x"),
        f"ajax/lookup/?name=user&query=x&offset={huge}",
    ]
    for address in addresses:
        assert staff.get(f"/admin/{screen}/{address}").status_code < 500, address


@pytest.mark.parametrize("screen", SCREENS)
@both_databases
def test_nonsense_in_a_form_is_never_an_error_of_ours(staff, work, screen):
    names = ("id", "rowid", "user", "account", "amount_kwh", "username", "rfid", "expires_at", "name")
    forms = [("new/", ""), ("edit/?id=1", ""), ("delete/", ""), ("ajax/update/", "")]
    forms += [("action/", action) for action in ("delete", "lock", "revoke", "allow", "x", "")]
    for address, action in forms:
        for value in ("\0", "9" * 30, "x", "-1", ""):
            data = dict.fromkeys(names, value) | {"action": action}
            assert staff.submit(f"/admin/{screen}/{address}", data).status_code < 500, (address, data)


def test_the_trail_is_read_only_and_escaped(staff, act, work):
    entry = AuditEntry(username="<script>", action="x", details={"<b>": ["<i>", "<u>"]})
    work.add(entry)
    work.flush()

    staff.submit(f"/admin/audit/edit/?id={entry.id}", {"action": "y"})
    staff.submit("/admin/audit/delete/", {"id": entry.id})
    staff.submit("/admin/audit/new/", {"action": "y"})
    act("audit", "delete", entry)

    assert actions(work) == [("<script>", "x", "")]
    for address in ("", f"details/?id={entry.id}"):
        page = staff.get(f"/admin/audit/{address}").text
        assert "&lt;b&gt;: &lt;i&gt; → &lt;u&gt;" in page
        assert "<script></td>" not in page
        assert "<b>:" not in page
