"""A driver's sessions as files: what is in them, that no spreadsheet runs it, that chargers need not wait."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from openpyxl import load_workbook

from app import downloads
from app.blueprints.accounts.models import Account
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.views import my_files
from app.config import ROOT
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import AccountFactory, ChargerFactory, TransactionFactory

EVENING = datetime(2026, 1, 10, 2, 30, 15, tzinfo=UTC)
IN_MONTERREY = pytest.mark.parametrize("overrides", [{"TIME_ZONE": "America/Monterrey"}])


@pytest.fixture
def ana(work: UnitOfWork) -> Account:
    """The account of the driver who downloads."""
    return AccountFactory()


@pytest.fixture
def page(client: Browser, ana: Account) -> Browser:
    """Ana's browser."""
    return client.log_in(ana.user)


def past(account: Account, number: int = 0, **columns: Any) -> Transaction:
    began = EVENING + timedelta(hours=number)
    return TransactionFactory(
        **{
            "account": account, "started_at": began, "stopped_at": began + timedelta(minutes=95.9),
            "energy_wh": 12_345, "stop_reason": "EVDisconnected",
        } | columns
    )  # fmt: skip


def csv_of(answer: Any) -> list[list[str]]:
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    return list(csv.reader(StringIO(answer.text)))


def xlsx_of(answer: Any) -> list[tuple[Any, ...]]:
    assert (answer.status_code, answer.mimetype) == (200, downloads.XLSX)
    (sheet,) = load_workbook(BytesIO(answer.data))
    return list(sheet.values)


@both_databases
@IN_MONTERREY
def test_a_line_tells_a_session_by_the_readers_clock(page: Browser, work: UnitOfWork, ana: Account) -> None:
    one = past(
        ana, charger=ChargerFactory(charger_id="CP1", name="Yard"), id_tag="DEADBEEF", flags="no_meter_stop"
    )

    head, line = csv_of(page.get("/ocpp/my/sessions.csv"))
    assert head[5:7] == ["Start (America/Monterrey)", "End (America/Monterrey)"]
    assert line == [
        str(one.id), "CP1", "Yard", "1", "…BEEF", "2026-01-09 20:30:15", "2026-01-09 22:06:09", "95",
        "12.345", "the car was unplugged",
        "The charger sent no final reading: the last one before it counts.",
    ]  # fmt: skip

    answer = page.get("/ocpp/my/sessions.xlsx")
    assert answer.headers["Content-Disposition"] == "attachment; filename=sessions.xlsx"
    head, cells = xlsx_of(answer)
    assert cells[5:9] == (datetime(2026, 1, 9, 20, 30, 15), datetime(2026, 1, 9, 22, 6, 9), 95, 12.345)


def test_files_speak_the_readers_language_to_the_last_line(
    page: Browser, work: UnitOfWork, ana: Account
) -> None:
    past(ana, flags="late")

    for answer in (
        page.get("/ocpp/my/sessions.csv", headers={"Accept-Language": "es"}),
        page.get("/ocpp/my/sessions.xlsx", headers={"Accept-Language": "es"}),
    ):
        head, line = csv_of(answer) if answer.mimetype == "text/csv" else xlsx_of(answer)
        assert head[1] == "Cargador"
        assert line[9] == "se desconectó el auto"
        assert str(line[10]).startswith("El cargador estaba fuera de línea")


@both_databases
def test_every_session_of_the_period_is_in_them_and_no_other(
    page: Browser, work: UnitOfWork, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_files, "CHUNK", 3)
    ids = [past(ana, number).id for number in range(10)]
    past(ana, 24 * 40)
    past(AccountFactory())
    TransactionFactory(account=ana)

    for kind, read in (("csv", csv_of), ("xlsx", xlsx_of)):
        lines = read(page.get(f"/ocpp/my/sessions.{kind}?since=2026-01-01&until=2026-01-31"))[1:]
        assert [int(line[0]) for line in lines] == ids[::-1]


def test_nothing_at_all_is_a_file_with_its_head(page: Browser) -> None:
    assert len(csv_of(page.get("/ocpp/my/sessions.csv"))) == 1
    assert len(xlsx_of(page.get("/ocpp/my/sessions.xlsx"))) == 1


def test_no_cell_is_a_formula(page: Browser, work: UnitOfWork, ana: Account) -> None:
    past(ana, charger=ChargerFactory(charger_id="=1+1", name="@SUM(A1)\x0b"), stop_reason="-cmd|'/C calc'!A0")
    past(ana, 1, stop_reason="+1")

    newest, line = csv_of(page.get("/ocpp/my/sessions.csv"))[1:]
    assert (line[1], line[2][:9], line[9][:5]) == ("'=1+1", "'@SUM(A1)", "'-cmd")
    assert newest[9] == "+1"  # a number is none
    newest, line = xlsx_of(page.get("/ocpp/my/sessions.xlsx"))[1:]
    assert (line[1], line[2], line[9][:5]) == ("'=1+1", "'@SUM(A1)", "'-cmd")


def test_an_odd_clock_makes_no_odd_file(page: Browser, work: UnitOfWork, ana: Account) -> None:
    past(ana, stopped_at=EVENING - timedelta(days=1))
    past(ana, started_at=datetime(1, 1, 2, tzinfo=UTC), stopped_at=datetime(9999, 12, 30, tzinfo=UTC))

    lines = csv_of(page.get("/ocpp/my/sessions.csv"))[1:]

    assert lines[0][7] == "0"
    assert lines[1][5] == "0001-01-02 00:00:00"
    assert page.get("/ocpp/my/sessions.xlsx").status_code == 200


def test_a_workbook_has_an_upper_limit_and_says_so(
    page: Browser, work: UnitOfWork, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_files, "MAX_XLSX", 2)
    for number in range(2):
        past(ana, number)
    assert len(xlsx_of(page.get("/ocpp/my/sessions.xlsx"))) == 3

    past(ana, 24 * 40)

    refused = page.get("/ocpp/my/sessions.xlsx")
    assert refused.status_code == 400
    assert "An XLSX file holds 2 sessions at most" in refused.text
    assert len(csv_of(page.get("/ocpp/my/sessions.csv"))) == 4
    assert page.get("/ocpp/my/sessions.xlsx?until=2026-01-31").status_code == 200


# In a process of its own: gevent replaces the parts of Python that it makes cooperative. Beside the work, a
# greenlet such as a charger's asks for a turn all the time; printed is the longest that the work went on
# without one, in milliseconds of the processor, which other tests do not lengthen.
WAITED = """
from gevent import monkey; monkey.patch_all()
import time, gevent
from datetime import datetime
from flask import Flask
from app import downloads

LINE = [1, "CP0001", "Yard north", 1, "…BEEF", datetime(2026, 1, 1), datetime(2026, 1, 1), 60, 12.345,
        "the car was unplugged", "The charger's clock was wrong: so may be the times."]
waits = []
def charger():
    while True:
        before = time.process_time()
        gevent.sleep(0.001)
        waits.append(time.process_time() - before)
beside = gevent.spawn(charger)
with Flask("x").test_request_context():
    for make, count in ((downloads.csv_file, 20_000), (downloads.xlsx_file, 1500)):
        waits.clear()
        file = make("sessions", ["x"] * 11, ([*LINE] for _ in range(count)))
        print(sum(len(piece) for piece in file.response), 1000 * max(waits))
"""


def test_chargers_have_their_turn_while_a_file_is_made() -> None:
    command = [sys.executable, "-c", WAITED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)

    for line in done.stdout.splitlines():
        size, longest_ms = map(float, line.split())
        assert size > 50_000
        assert longest_ms < 20
    assert len(done.stdout.splitlines()) == 2
