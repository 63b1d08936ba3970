"""Meter readings as JSON and CSV: chosen, paged and streamed, whichever index knows them."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.blueprints.accounts.services import create_token, create_user
from app.blueprints.ocpp.models import Charger, MeterReading, Transaction
from app.blueprints.ocpp.services import readings
from app.db import UnitOfWork, unit_of_work
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ChargerFactory,
    MeterReadingFactory,
    TransactionFactory,
    UserFactory,
)

JANUARY = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
PATH = "/ocpp/readings/"


@pytest.fixture
def token(app: Flask) -> dict[str, str]:
    """Headers with an API token."""
    with app.app_context(), unit_of_work() as work:
        _, plain = create_token(work, create_user(work, "robot"), "tests")
    return {"Authorization": f"Bearer {plain}"}


def get(client: Browser, token: dict[str, str], query: str = "") -> Any:
    answer = client.get(f"{PATH}?{query}", headers=token)
    assert answer.status_code == 200, answer.text
    return answer.json


def lines(client: Browser, token: dict[str, str], query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{PATH}?format=csv&{query}", headers=token)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def pages(client: Browser, token: dict[str, str], query: str) -> list[int]:
    """The ids of every page, one after the other."""
    found: list[int] = []
    told = get(client, token, query)
    while True:
        found += [row["id"] for row in told["readings"]]
        if told["next"] is None:
            return found
        told = get(client, token, f"{query}&cursor={told['next']}")


def session(charger: Charger, number: int = 0, **columns: Any) -> Transaction:
    began = JANUARY + timedelta(days=number)
    return TransactionFactory(
        **{"charger": charger, "started_at": began, "stopped_at": began + timedelta(hours=1)} | columns
    )


def metered(transaction: Transaction, minute: int, **columns: Any) -> int:
    at = transaction.started_at + timedelta(minutes=minute)
    reading: MeterReading = MeterReadingFactory(**{"transaction": transaction, "at": at} | columns)
    return reading.id


@pytest.mark.parametrize("query", ["", "format=csv"])
def test_strangers_and_drivers_see_none(client: Browser, work: UnitOfWork, query: str) -> None:
    assert client.get(f"{PATH}?{query}").status_code == 401
    client.log_in(UserFactory())
    assert client.get(f"{PATH}?{query}").status_code == 403


def test_staff_see_them(staff: Browser) -> None:
    assert staff.get(PATH).json == {"readings": [], "per_page": 200, "next": None}


@both_databases
def test_a_reading_in_full(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    one = session(ChargerFactory(charger_id="CP1"))
    id = metered(one, 0, value=12.5, unit="Wh", raw_value="0.0125", raw_unit="kWh", phase="L1")
    bad = metered(one, 1, value=None, raw_value="=1+1", at=one.started_at + timedelta(seconds=0.5))
    expected = {
        "id": id, "charger": "CP1", "connector": 1, "transaction": one.id, "at": "2026-01-10T12:00:00Z",
        "measurand": "Power.Active.Import", "value": 12.5, "unit": "Wh", "context": "", "phase": "L1",
        "location": "", "format": "", "raw_value": "0.0125", "raw_unit": "kWh",
    }  # fmt: skip

    newest, told = get(client, token)["readings"]
    assert told == expected
    assert (newest["id"], newest["value"], newest["at"]) == (bad, None, "2026-01-10T12:00:00.500000Z")

    newest, line = lines(client, token)
    assert line == {name: "" if value is None else str(value) for name, value in expected.items()}
    assert (newest["value"], newest["raw_value"]) == ("", "'=1+1")  # no spreadsheet runs it


@both_databases
def test_filters(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    here, there = ChargerFactory(charger_id="CP#1"), ChargerFactory(charger_id="CP2")
    first, second, other = session(here), session(here, 1), session(there, 1)
    a = metered(first, 1)
    b = metered(second, 1, measurand="Voltage")
    c = metered(second, 2)
    d = metered(other, 1)
    late = metered(first, 2)  # the charger was offline: it came last
    wrong = session(there, 5, flags="clock_unset")
    e = metered(wrong, 0, at=datetime(2010, 1, 1, tzinfo=UTC))

    for query, ids in (
        ("", [e, late, d, c, b, a]),
        ("charger=CP%231", [c, b, late, a]),
        ("charger=nobody", []),
        (f"transaction={second.id}", [c, b]),
        (f"transaction={second.id}&charger=CP2", []),
        ("transaction=2147483647", []),
        (f"transaction={wrong.id}", [e]),
        ("measurand=Voltage", [b]),
        ("measurand=voltage", []),
        ("since=2026-01-11", [c, b, d]),
        ("until=2026-01-10", [late, a, e]),
        ("since=2026-01-11T12:02:00Z&charger=CP%231", [c]),
        ("since=2026-01-10&until=2026-01-10", [late, a]),
        ("charger=%00&measurand=%00", [e, late, d, c, b, a]),
    ):
        assert [row["id"] for row in get(client, token, query)["readings"]] == ids, query
        assert [int(line["id"]) for line in lines(client, token, query)] == ids, query


@both_databases
@pytest.mark.parametrize("per_page", [1, 2, 5, 100])
def test_pages_hold_every_reading_once(
    client: Browser,
    work: UnitOfWork,
    token: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    per_page: int,
) -> None:
    monkeypatch.setattr(readings, "PIECE", 3)
    monkeypatch.setattr(readings, "MOST_PIECES", 2)
    for number in range(3):
        one = session(ChargerFactory(charger_id=f"CP{number}"))
        for minute in range(4):
            for measurand in ("Power.Active.Import", "Voltage"):  # at one and the same time
                metered(one, minute, measurand=measurand)
    ChargerFactory(charger_id="silent")

    for query, count in (
        ("", 24),
        ("charger=CP1", 8),
        (f"transaction={one.id}", 8),
        ("since=2026-01-10", 24),
        ("until=2026-01-01", 0),
        ("measurand=Voltage", 12),
        ("measurand=Voltage&since=2026-01-10", 12),
        ("measurand=nonsense&since=2026-01-10", 0),
    ):
        found = pages(client, token, f"{query}&per_page={per_page}")
        assert len(found) == len(set(found)) == count, query
        assert [int(line["id"]) for line in lines(client, token, query)] == found, query


def test_csv_may_be_one_page_or_go_on(client: Browser, work: UnitOfWork, token: dict[str, str]) -> None:
    one = session(ChargerFactory())
    ids = [metered(one, minute) for minute in range(5)]
    following = get(client, token, "per_page=2")["next"]

    assert [int(line["id"]) for line in lines(client, token, "per_page=2")] == ids[:2:-1]
    assert [int(line["id"]) for line in lines(client, token, f"cursor={following}")] == ids[2::-1]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-13-01",
        "transaction=seven",
        "transaction=0",
        "transaction=2147483648",
        "per_page=1001",
        "cursor=7",
        "cursor=1.999999999999999999.1",
        "cursor=9999999999.1.1",
        "format=xml",
        "since=2026-01-11&until=2026-01-10",
    ],
)
def test_wrong_filters_are_named(client: Browser, token: dict[str, str], query: str) -> None:
    for path in (PATH, f"{PATH}?format=csv"):
        answer = client.get(f"{path}{'&' if '?' in path else '?'}{query}", headers=token)
        if "format=xml" in query and "csv" in path:
            continue  # the first one counts
        assert answer.status_code == 400
        assert query.split("=")[0] in answer.json["detail"]


@both_databases
@pytest.mark.parametrize(
    "cursor", ["999999999.253402300799999999.999999999999999999", "0.-62135596800000000.0"]
)
def test_places_at_the_edges_are_places(
    client: Browser, work: UnitOfWork, token: dict[str, str], cursor: str
) -> None:
    metered(session(ChargerFactory(charger_id="CP1")), 0)

    for path in (PATH, "/ocpp/transactions/"):
        for query in ("", "&charger=CP1", "&since=2026-01-01"):
            assert client.get(f"{path}?cursor={cursor}{query}", headers=token).status_code == 200


# The lists of staff


def links(staff: Browser, path: str) -> dict[str, str]:
    """Words → address of the links to CSV files."""
    found = re.findall(r'href="([^"]*format=csv[^"]*)">([^<]*)<', staff.get(path).text)
    return {words: html.unescape(address) for address, words in found}


def test_lists_of_staff_lead_to_csv(staff: Browser, work: UnitOfWork) -> None:
    one = session(ChargerFactory(charger_id="CP 1"))
    metered(one, 0)
    session(ChargerFactory(charger_id="CP2"), 3)

    for path, address in (("/admin/meter_reading/", PATH), ("/admin/transaction/", "/ocpp/transactions/")):
        assert links(staff, path) == {"Download CSV": f"{address}?format=csv"}
        shown = links(staff, f"{path}?flt0_0=CP+1")
        assert set(shown) == {"Download what is shown as CSV", "Download all as CSV"}
        answer = staff.get(shown["Download what is shown as CSV"])
        assert [line["charger"] for line in csv.DictReader(io.StringIO(answer.text))] == ["CP 1"]


def test_a_filter_that_the_api_does_not_know_is_not_left_out_silently(
    staff: Browser, work: UnitOfWork
) -> None:
    session(ChargerFactory(charger_id="CP1"), account=AccountFactory(user__username="ana"))

    def offered(query: str) -> str:
        return links(staff, f"/admin/transaction/?{query}").get("Download what is shown as CSV", "none")

    assert offered("flt0_1=ana") == "/ocpp/transactions/?format=csv&account=ana"
    assert offered("flt0_1=7") == "none"  # the API would take it for an account's id
    after, before, between = "flt0_2=2026-01-01+00:00:00", "flt1_3=2026-02-01+00:00:00", "flt0_4="
    assert "since=2026-01-01+00:00:00&until=2026-02-01+00:00:00" in offered(f"{after}&{before}")
    period = "2026-01-01 00:00:00 to 2026-02-01 00:00:00"
    assert "since=2026-01-01+00:00:00&until=2026-02-01+00:00:00" in offered(f"{between}{period}")
    assert offered("flt0_6=2026-01-01+00:00:00") == "none"  # of the end
    assert offered("flt0_0=CP1&flt1_0=CP2") == "none"
