"""Who may charge (D of the specification), as rules, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from app.blueprints.accounts.models import RFID, Account
from app.blueprints.ocpp import tables
from app.blueprints.ocpp.models import Charger, Refusal, Transaction, UnknownTag
from app.clock import utcnow
from tests.databases import both_databases
from tests.ocpp.rules import ChargePoint, Clock, Site, iso

pytestmark = both_databases
ODD_TAGS = [
    "x" * 10_000, "a\x00b", "\x00", "🔌🚗" * 20, "\ud800", "A\udfffB", "ß" * 250, "ΐ" * 255,
    "' OR 1=1; --", "%s?:x", "{}",
]  # fmt: skip
YESTERDAY, TOMORROW = utcnow() - timedelta(days=1), utcnow() + timedelta(days=1)


@pytest.fixture
def charger(site: Site) -> ChargePoint:
    """One where anyone may charge."""
    return site.charger("FREE")


@pytest.fixture
def guarded(site: Site) -> ChargePoint:
    """One that asks for a tag."""
    return site.charger("GUARDED", require_rfid=True)


def authorized(charger: ChargePoint, id_tag: str) -> str:
    return str(charger.ask("Authorize", {"idTag": id_tag})["idTagInfo"]["status"])


def make_tags(site: Site) -> None:
    """One of each kind, named after it."""
    site.tag("GOOD")
    site.tag("BLOCKED", allowed=False, user_id=None)
    site.tag("EXPIRED", expires_at=YESTERDAY)
    site.add(RFID(rfid="OWNERLESS"))
    site.tag("POOR", credit_wh=0)
    site.tag("DEBT", credit_wh=-1)
    site.tag("LOCKED", account=site.account("locked", active=False))
    site.tag("SERVICE", account=site.account("fleet", credit_wh=-5, service=True))


def test_d1_every_refusal_has_a_status_and_a_reason(site: Site, guarded: ChargePoint) -> None:
    make_tags(site)
    told = {
        "GOOD": "Accepted", "SERVICE": "Accepted", "BLOCKED": "Blocked", "EXPIRED": "Expired",
        "OWNERLESS": "Invalid", "POOR": "Blocked", "DEBT": "Blocked", "LOCKED": "Blocked",
        "NOBODY": "Invalid",
    }  # fmt: skip
    for id_tag, status in told.items():
        assert authorized(guarded, id_tag) == status
        assert guarded.started(id_tag)["idTagInfo"]["status"] == status
    reasons = {
        (row.id_tag, row.action): row.reason for row in site.all(Refusal) if row.status == told[row.id_tag]
    }
    for action in ("Authorize", "StartTransaction"):
        assert {tag: reason for (tag, done), reason in reasons.items() if done == action} == {
            "BLOCKED": "blocked", "EXPIRED": "expired", "OWNERLESS": "no_owner", "POOR": "no_credit",
            "DEBT": "no_credit", "LOCKED": "owner_locked", "NOBODY": "unknown",
        }  # fmt: skip


def test_d2_without_require_rfid_only_blocked_and_expired_are_refused(
    site: Site, charger: ChargePoint
) -> None:
    make_tags(site)
    everyone = ["GOOD", "SERVICE", "BLOCKED", "EXPIRED", "OWNERLESS", "POOR", "DEBT", "LOCKED", "NOBODY", ""]
    refused = {tag for tag in everyone if authorized(charger, tag) != "Accepted"}
    assert refused == {"BLOCKED", "EXPIRED"}
    started = {tag: charger.started(tag)["idTagInfo"]["status"] for tag in everyone}
    assert {tag for tag in everyone if started[tag] != "Accepted"} == {"BLOCKED", "EXPIRED"}


def test_d2_no_tag_at_all_is_refused_where_one_is_required(site: Site, guarded: ChargePoint) -> None:
    assert guarded.ask("Authorize", {})["idTagInfo"]["status"] == "Invalid"
    assert guarded.ask("StartTransaction", {"meterStart": 1})["idTagInfo"]["status"] == "Invalid"
    assert {row.reason for row in site.all(Refusal)} == {"no_tag"}
    assert not site.all(UnknownTag)


def test_d1_tags_compare_without_case(site: Site, guarded: ChargePoint) -> None:
    site.tag("CAFEBABE")
    assert authorized(guarded, "cafebabe") == authorized(guarded, " CafeBabe ") == "Accepted"
    assert site.transaction(guarded.start("cafeBABE")).id_tag == "CAFEBABE"


def test_d1_expiry_and_parent_are_told(site: Site, guarded: ChargePoint) -> None:
    site.tag("CAFE", expires_at=TOMORROW, parent="FAMILY")
    for info in (
        guarded.ask("Authorize", {"idTag": "CAFE"})["idTagInfo"],
        guarded.started("CAFE")["idTagInfo"],
    ):
        assert info["parentIdTag"] == "FAMILY"
        assert info["expiryDate"][:19] == iso(TOMORROW)[:19]


def test_d1_an_expired_tag_is_told_when_it_expired(site: Site, charger: ChargePoint) -> None:
    site.tag("OLD", expires_at=YESTERDAY)
    info = charger.ask("Authorize", {"idTag": "OLD"})["idTagInfo"]
    assert (info["status"], info["expiryDate"][:19]) == ("Expired", iso(YESTERDAY)[:19])


def test_d2_unknown_tags_are_remembered_until_they_are_known(site: Site, charger: ChargePoint) -> None:
    for _ in range(3):
        authorized(charger, "stranger")
    charger.start("stranger")
    found = site.one(UnknownTag)
    assert (found.id_tag, found.times, found.charger_id) == ("STRANGER", 4, charger.id)
    site.tag("STRANGER")
    authorized(charger, "stranger")
    assert site.one(UnknownTag).times == 4


def test_d2_unknown_tags_are_capped_per_charger(site: Site, charger: ChargePoint) -> None:
    other = site.charger("OTHER")
    authorized(other, "NEIGHBOUR")
    for number in range(tables.MAX_UNKNOWN_TAGS + 20):
        authorized(charger, f"T{number}")
    kept = [row.id_tag for row in site.all(UnknownTag, charger_id=charger.id)]
    assert kept == [f"T{number}" for number in range(20, tables.MAX_UNKNOWN_TAGS + 20)]
    authorized(charger, "T20")
    authorized(charger, "NEW")
    kept = [row.id_tag for row in site.all(UnknownTag, charger_id=charger.id)]
    assert len(kept) == tables.MAX_UNKNOWN_TAGS
    assert {"T20", "NEW"} < set(kept), "those seen last stay"
    assert site.one(UnknownTag, charger_id=other.id).id_tag == "NEIGHBOUR"


def test_d1_any_text_may_be_a_tag(site: Site, charger: ChargePoint, guarded: ChargePoint) -> None:
    for id_tag in ODD_TAGS:
        assert authorized(charger, id_tag) == "Accepted"
        assert authorized(guarded, id_tag) == "Invalid"
        transaction = charger.start(id_tag)
        charger.stop(transaction, 5, idTag=id_tag)
        assert site.transaction(transaction).stop_id_tag == site.transaction(transaction).id_tag
    assert len(site.all(UnknownTag, charger_id=guarded.id)) == len(ODD_TAGS)


def test_c2_who_is_not_registered_is_answered_but_may_not_start(site: Site) -> None:
    site.tag("CAFE")
    for status in ("Pending", "Rejected"):
        charger = site.charger(status, registration_status=status)
        assert (
            charger.ask("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})["status"]
            == status
        )
        assert charger.ask("Heartbeat")["currentTime"]
        answer = charger.started("CAFE")
        assert answer["idTagInfo"]["status"] == "Invalid"
        assert site.transaction(answer["transactionId"]).refused == "not_registered"
        charger.meter(1200, answer["transactionId"])
        charger.stop(answer["transactionId"], 1500)
    assert site.spent(site.one(Account).id) == 3000, "it charged all the same"


def test_d3_a_known_tag_runs_once(site: Site, charger: ChargePoint) -> None:
    site.tag("CAFE")
    other = site.charger("OTHER")
    first = charger.start("CAFE")
    assert authorized(other, "CAFE") == "Accepted", "only a start can be one too many"
    refused = other.started("CAFE")
    assert refused["idTagInfo"]["status"] == "ConcurrentTx"
    assert site.transaction(refused["transactionId"]).refused == "concurrent"
    assert charger.started("CAFE", connectorId=2)["idTagInfo"]["status"] == "ConcurrentTx"
    assert [row.reason for row in site.all(Refusal)] == ["concurrent", "concurrent"]
    charger.stop(first, 100)
    assert other.started("CAFE")["idTagInfo"]["status"] == "Accepted"


def test_d3_a_service_account_and_strangers_run_often(site: Site, charger: ChargePoint) -> None:
    site.tag("FLEET", account=site.account("fleet", service=True))
    for id_tag in ("FLEET", "STRANGER"):
        for connector in (1, 2, 3):
            answer = charger.started(id_tag, connectorId=connector)
            assert answer["idTagInfo"]["status"] == "Accepted"


def test_d3_a_retry_is_not_a_second_start(site: Site, charger: ChargePoint) -> None:
    site.tag("CAFE")
    at = iso(utcnow())
    first = charger.started("CAFE", timestamp=at)
    charger.reconnect()
    assert charger.started("CAFE", timestamp=at) == first
    assert len(site.all(Transaction)) == 1


def test_d3_a_new_start_on_the_same_connector_replaces_the_old_one(site: Site, charger: ChargePoint) -> None:
    site.tag("CAFE")
    charger.start("CAFE")
    assert charger.started("CAFE", meterStart=7)["idTagInfo"]["status"] == "Accepted"


def test_d3_a_charger_that_has_been_silent_holds_no_tag(
    site: Site, charger: ChargePoint, clock: Clock
) -> None:
    site.tag("CAFE")
    other = site.charger("OTHER")
    charger.start("CAFE")
    clock.advance(minutes=14)
    assert other.started("CAFE")["idTagInfo"]["status"] == "ConcurrentTx"
    clock.advance(minutes=2)
    assert other.started("CAFE", meterStart=1)["idTagInfo"]["status"] == "Accepted"


def test_d3_any_message_breaks_the_silence(site: Site, charger: ChargePoint, clock: Clock) -> None:
    site.tag("CAFE")
    charger.start("CAFE")
    clock.advance(minutes=14)
    charger.ask("Heartbeat")
    clock.advance(minutes=14)
    assert site.charger("OTHER").started("CAFE")["idTagInfo"]["status"] == "ConcurrentTx"


def test_d3_two_starts_in_one_batch_are_one_too_many(site: Site, charger: ChargePoint) -> None:
    site.tag("CAFE")
    chargers = [charger, *(site.charger(f"CP{number}") for number in range(4))]
    answers: list[str] = []
    asking = [
        threading.Thread(
            target=lambda asker=asker: answers.append(asker.started("CAFE")["idTagInfo"]["status"])
        )
        for asker in chargers
    ]
    with site.one_batch(len(chargers)):
        for thread in asking:
            thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answers) == ["Accepted", *["ConcurrentTx"] * 4]


def test_d4_a_tag_of_the_same_group_may_stop(site: Site, guarded: ChargePoint) -> None:
    site.tag("MUM", parent="FAMILY")
    site.tag("KID", parent="FAMILY", credit_wh=0)
    site.tag("STRANGER", credit_wh=0)
    verdicts = []
    for stopper in ("MUM", "kid", "STRANGER", "NOBODY"):
        transaction = guarded.start("MUM")
        verdicts.append(guarded.stop(transaction, 10, idTag=stopper)["idTagInfo"]["status"])
        assert site.transaction(transaction).stop_id_tag == stopper.upper()
        assert site.transaction(transaction).energy_wh == 10
    assert verdicts == ["Accepted", "Accepted", "Blocked", "Invalid"]
    assert {(row.id_tag, row.action) for row in site.all(Refusal)} == {
        ("STRANGER", "StopTransaction"), ("NOBODY", "StopTransaction"),
    }  # fmt: skip


def test_d4_what_staff_blocked_stays_blocked_in_its_group(site: Site, charger: ChargePoint) -> None:
    site.tag("MUM", parent="FAMILY")
    site.tag("LOST", parent="FAMILY", allowed=False, user_id=None)
    transaction = charger.start("MUM")
    assert charger.stop(transaction, 10, idTag="LOST")["idTagInfo"]["status"] == "Blocked"
    assert site.transaction(transaction).stopped_at, "a stop is never refused"


def test_d4_its_own_tag_stops_also_without_credit(site: Site, guarded: ChargePoint) -> None:
    account = site.tag("CAFE", credit_wh=10)
    transaction = guarded.start("CAFE")
    assert guarded.stop(transaction, 50, idTag="CAFE")["idTagInfo"]["status"] == "Accepted"
    assert site.spent(account) == 50


def test_d1_what_staff_change_counts_at_the_next_message(site: Site, charger: ChargePoint) -> None:
    site.tag("CAFE")
    assert authorized(charger, "CAFE") == "Accepted"
    site.change(RFID, site.one(RFID).id, allowed=False)
    assert authorized(charger, "CAFE") == "Blocked"
    site.change(Charger, charger.id, require_rfid=True)
    assert authorized(charger, "NOBODY") == "Invalid"
