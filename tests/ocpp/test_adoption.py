"""A tag that was seen unknown at a charger: adopted by one click where it is listed, then on to its owner."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import RFID, AuditEntry
from app.blueprints.ocpp.models import UnknownTag
from app.db import UnitOfWork
from tests.accounts.screens import messages
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import ChargerFactory, UserFactory


def seen(work: UnitOfWork, *tags: str) -> int:
    """Let a charger have seen tags that nobody knows. Return the charger's id."""
    charger = ChargerFactory()
    work.add_all(UnknownTag(charger_id=charger.id, id_tag=tag) for tag in tags)
    work.flush()
    return int(charger.id)


def button(page: str) -> dict[str, str]:
    """What the first button that adopts sends."""
    form = re.search(r'<form[^>]*action="/admin/unknown_tag/action/".*?</form>', page, re.S)
    assert form is not None
    assert 'type="submit"' in form[0]
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', form[0])
    return {name: html.unescape(value) for name, value in fields if name != "csrf_token"}


@pytest.mark.parametrize("path", ["/admin/unknown_tag/", "/admin/charger/details/?id={id}"])
@both_databases
def test_one_click_adopts_and_the_next_leads_to_the_owner_and_back(
    staff: Browser, work: UnitOfWork, path: str
) -> None:
    here = path.format(id=seen(work, "0A0B0C0D"))
    owner = UserFactory(username="joe")

    answer = staff.submit("/admin/unknown_tag/action/", button(staff.get(here).text))

    assert answer.location.rstrip("?") == here
    tag = work.scalars(select(RFID)).one()
    assert (tag.rfid, tag.allowed, tag.user) == ("0A0B0C0D", True, None)
    assert work.scalars(select(UnknownTag)).all() == []
    said = messages(staff.get(here))
    assert "1 tag adopted." in said
    link = re.search(r'href="([^"]*)">Assign 0A0B0C0D to its owner', said)
    assert link is not None
    assigned = staff.submit(html.unescape(link[1]), {"rfid": tag.rfid, "allowed": "y", "user": owner.id})
    assert assigned.location.rstrip("?") == here
    work.expire_all()
    assert tag.user is owner
    trail = [(entry.action, entry.subject) for entry in work.scalars(select(AuditEntry))]
    assert trail == [("adopt", "rfid"), ("update", "rfid")]


def test_many_are_adopted_at_once_and_each_leads_on(staff: Browser, work: UnitOfWork) -> None:
    seen(work, *(f"{n:08X}" for n in range(12)))
    ids = [str(id) for id in work.scalars(select(UnknownTag.id))]

    data = {"action": "adopt", "rowid": ids}
    said = messages(staff.submit("/admin/unknown_tag/action/", data, follow_redirects=True))

    assert "12 tags adopted." in said
    assert said.count("to its owner") == 10


def test_what_a_charger_sent_stays_text(staff: Browser, work: UnitOfWork) -> None:
    seen(work, "<B>X</B>")

    for page in (
        staff.get("/admin/unknown_tag/"),
        staff.submit("/admin/unknown_tag/action/", {"action": "adopt", "rowid": "1"}, follow_redirects=True),
    ):
        assert "<B>" not in page.text
        assert "&lt;B&gt;X" in page.text


def test_nobody_is_led_elsewhere(staff: Browser, work: UnitOfWork) -> None:
    seen(work, "0A0B0C0D")

    data = {"action": "adopt", "rowid": "1", "url": "https://evil.example/"}
    answer = staff.submit("/admin/unknown_tag/action/", data)

    assert "evil" not in str(answer.location)
    link = re.search(r'href="([^"]*)">Assign', messages(staff.get("/admin/unknown_tag/")))
    assert link is not None
    saved = staff.submit(html.unescape(link[1]), {"rfid": "0A0B0C0D", "allowed": "y"})
    assert "evil" not in str(saved.location)
