"""Totals: what an account keeps is the sum of its rows, and a command says where it is not."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import Account, AuditEntry
from app.blueprints.accounts.services import add_credit
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.errors import BooksDiffer
from app.blueprints.ocpp.services import totals
from app.db import unit_of_work
from tests.databases import both_databases
from tests.factories import AccountFactory, TransactionFactory


def account(work, *energies, **columns):
    row = AccountFactory(credited_wh=0, **columns)
    add_credit(work, row, "10.10", None)
    add_credit(work, row, "-0.03", None)
    for energy in energies:
        TransactionFactory(account=row, energy_wh=energy)
    row.spent_wh = sum(energies)
    work.flush()
    return row


@pytest.fixture
def flask(app):
    return app.test_cli_runner()


@both_databases
def test_right_totals_differ_in_nothing(work):
    account(work, 5_000, 120)
    account(work)

    assert list(totals.differences(work)) == []


@both_databases
def test_a_total_that_its_rows_do_not_bear_out_is_told(work):
    row = account(work, 3_000_000_000, 1)
    row.spent_wh, row.credited_wh = 7, 10_071
    work.flush()

    assert list(totals.differences(work)) == [
        totals.Difference(row.id, row.user.username, 10_071, 10_070, 7, 3_000_000_001)
    ]


@both_databases
def test_every_account_is_looked_at_however_many_there_are(work, monkeypatch):
    monkeypatch.setattr(totals, "PIECE", 3)
    rows = [account(work, 10) for _ in range(7)]
    for row in (rows[0], rows[2], rows[3], rows[6]):
        row.spent_wh += 1
    work.flush()

    found = [difference.account_id for difference in totals.differences(work)]
    assert found == [rows[0].id, rows[2].id, rows[3].id, rows[6].id]


@both_databases
def test_the_command_tells_what_differs_and_repairs_it_when_asked(app, work, flask):
    row = account(work, 4_000, user__username="ann")
    row.spent_wh = 1_000
    work.commit()

    told = flask.invoke(args=["accounts", "verify"])
    assert told.exit_code == 1
    assert (
        "ann: credit 10.070 kWh kept, 10.070 kWh by its rows; spent 1.000 kWh kept, 4.000 kWh" in told.output
    )

    assert "1 accounts repaired." in flask.invoke(args=["accounts", "verify", "--repair"]).output
    work.expire_all()
    assert work.get(Account, row.id).spent_wh == 4_000
    (entry,) = work.scalars(select(AuditEntry).where(AuditEntry.action == "repair"))
    assert entry.details == {"credited_wh": [10_070, 10_070], "spent_wh": [1_000, 4_000]}

    told = flask.invoke(args=["accounts", "verify"])
    assert (told.exit_code, told.output) == (0, "1 accounts, every total is the sum of its rows.\n")


def test_the_nightly_look_writes_differences_to_the_log_and_has_failed(app, work, caplog):
    row = account(work, 4_000)
    work.commit()
    assert tasks.verify_totals() == 1

    with unit_of_work() as writing:
        writing.get(Account, row.id).spent_wh = 3_999
    with pytest.raises(BooksDiffer, match="1 account differs from its rows"):
        tasks.verify_totals()
    assert "used_wh=4000" in caplog.text
