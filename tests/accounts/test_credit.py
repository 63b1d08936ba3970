"""The ledger and its running total."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from app.blueprints.accounts import services
from app.blueprints.accounts.errors import BadAmount, UnknownUser
from app.blueprints.accounts.models import Account, AuditEntry, Credit
from app.config import ROOT
from app.db import unit_of_work
from tests.databases import both_databases
from tests.factories import AccountFactory, UserFactory


@both_databases
def test_credit_is_a_line_and_a_total(work):
    staff, account = UserFactory(username="staff"), AccountFactory(credited_wh=0)

    credit = services.add_credit(work, account, Decimal("12.34"), staff)

    assert (account.credited_wh, account.balance_kwh) == (12_340, Decimal("12.34"))
    assert account.credits == [credit]
    assert credit.created_by is staff
    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.username, entry.action, entry.subject) == ("staff", "credit", "account")
    assert (entry.subject_id, entry.details) == (str(account.id), {"amount_kwh": "12.34"})


@both_databases
def test_a_correction_is_a_negative_credit(work):
    account = AccountFactory(credited_wh=0)

    services.add_credit(work, account, Decimal(10), None)
    services.add_credit(work, account, Decimal("-10.01"), None)

    assert account.balance_wh == -10
    assert not account.may_charge()


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "-0", "0.001", "NaN", "Infinity", "1e9", "100000000", "ten", ""]
)
def test_what_is_no_amount_is_refused(work, amount):
    account = AccountFactory(credited_wh=5)

    with pytest.raises(BadAmount):
        services.add_credit(work, account, amount, None)

    assert account.credited_wh == 5


@pytest.mark.parametrize("amount", ["99999999.99", "-99999999.99", "0.01", "1E+2"])
@both_databases
def test_every_amount_of_ten_digits_fits(work, amount):
    account = AccountFactory(credited_wh=0)

    services.add_credit(work, account, amount, None)
    work.refresh(account)

    assert account.balance_kwh == Decimal(amount)


def test_a_service_account_may_charge_without_credit(work):
    account = AccountFactory(credited_wh=0)

    services.set_service(account, True)
    assert account.may_charge()
    services.set_service(account, False)
    assert not account.may_charge()


def test_an_unknown_user_has_no_account(work):
    with pytest.raises(UnknownUser):
        services.get_account(work, "nobody")


@both_databases
def test_credits_from_two_threads_at_once_all_count(app, work):
    account_id = AccountFactory(credited_wh=0).id
    work.commit()
    failures = []

    def add() -> None:
        try:
            with app.app_context():
                for _ in range(20):
                    with unit_of_work() as own:
                        services.add_credit(own, own.get(Account, account_id), "1.5", None)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    work.rollback()
    assert work.get(Account, account_id).credited_wh == 2 * 20 * 1_500
    assert work.scalar(select(func.sum(Credit.amount_kwh))) == 60


@pytest.mark.slow
@both_databases
def test_credits_from_three_processes_at_once_all_count(app, work, database, tmp_path):
    account = AccountFactory(user__username="joe", credited_wh=0)
    work.commit()
    environment = os.environ | {
        "DATABASE_URL": database,
        "INSTANCE_PATH": str(tmp_path),
        "LOG_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "accounts", "credit", "joe", "2.5"]

    processes = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=110)[0].decode() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sorted(outputs) == [f"joe has {total} kWh.\n" for total in ("2.500", "5.000", "7.500")]
    work.refresh(account)
    assert account.credited_wh == 7_500
