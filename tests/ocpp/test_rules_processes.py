"""The rules where several processes, staff and odd settings of a database meet, on both databases."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import create_engine, make_url, text

from app.blueprints.ocpp.models import Charger, Transaction
from app.blueprints.ocpp.services import admission
from app.domain_error import DomainError
from tests.databases import both_databases, only_postgres
from tests.ocpp import rules
from tests.ocpp.rules import ChargePoint, Site
from tests.ocpp.staff import eventually


@pytest.fixture
def processes(site: Site, database: str) -> Iterator[list[Site]]:
    """Two installations' processes on one database, each with its own journal and connections."""
    second = Site(rules.connect(database))
    yield [site, second]
    second.end()
    second.engine.dispose()


@both_databases
def test_d3_two_processes_do_not_both_start_on_a_tag(processes: list[Site]) -> None:
    site = processes[0]
    ids = [site.add(Charger(charger_id=f"CP{number}")).id for number in range(2)]
    chargers = [ChargePoint(process, id) for process, id in zip(processes, ids, strict=True)]
    for number in range(10):
        site.tag(f"TAG{number}")
        told: list[str] = []

        def start(charger: ChargePoint, tag: str, told: list[str]) -> None:
            told.append(charger.started(tag)["idTagInfo"]["status"])

        threads = [threading.Thread(target=start, args=(c, f"TAG{number}", told)) for c in chargers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["Accepted", "ConcurrentTx"]


@both_databases
def test_e9_chargers_staff_and_processes_at_once_leave_the_books_right(processes: list[Site]) -> None:
    site = processes[0]
    account = site.account("fleet", service=True)
    site.tag("FLEET", account=account)
    ids = [site.add(Charger(charger_id=f"CP{number}")).id for number in range(6)]

    def charge(process: Site, id: int, seed: int) -> None:
        rng, charger = random.Random(seed), ChargePoint(process, id)
        for _ in range(8):
            transaction = charger.start("FLEET")
            for register in sorted(rng.sample(range(5000), 2)):
                charger.meter(register, transaction)
            if rng.random() < 0.3:
                with suppress(DomainError):
                    processes[rng.randint(0, 1)].close(transaction)
            charger.stop(transaction, 5000 + seed)

    threads = [
        threading.Thread(target=charge, args=(processes[number % 2], id, number))
        for number, id in enumerate(ids)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.spent(account) == sum(8 * (5000 + number) for number in range(6))
    assert all(row.stopped_at for row in site.all(Transaction))


SLOW_COMMIT = """
    CREATE FUNCTION slow_start() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow_start AFTER INSERT ON charge_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slow_start()
"""
FAST_COMMIT = "DROP TRIGGER slow_start ON charge_transaction; DROP FUNCTION slow_start()"
STUCK = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def stuck(site: Site) -> int:
    """How many connections wait for a lock."""
    with site.engine.connect() as database:
        return int(database.execute(text(STUCK)).scalar_one())


@only_postgres
def test_e4_a_start_that_is_repeated_while_the_first_is_being_stored_is_that_one(site: Site) -> None:
    """The charger has connected anew meanwhile, and the other writer has its second message."""
    account, charger = site.tag("TAG"), site.charger()
    fields = {"timestamp": "2026-03-01T00:00:00Z"}
    told: list[int] = []
    threads = [
        threading.Thread(target=lambda: told.append(ChargePoint(site, charger.id).start("TAG", **fields)))
        for _ in range(2)
    ]
    with site.engine.begin() as database:
        database.execute(text(SLOW_COMMIT))
    try:
        with site.engine.begin() as database:
            database.execute(text("SELECT pg_advisory_xact_lock(1)"))
            for number, thread in enumerate(threads, start=1):
                thread.start()
                eventually(lambda number=number: stuck(site) == number)
        for thread in threads:
            thread.join()
    finally:
        with site.engine.begin() as database:
            database.execute(text(FAST_COMMIT))

    assert told[0] == told[1] == site.one(Transaction).id
    charger.stop(told[0], 500, **fields)
    assert site.spent(account) == site.one(Transaction).energy_wh > 0
    site.check_books()


@only_postgres
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_e3_the_zone_of_the_database_changes_nothing(site: Site, database: str, zone: str) -> None:
    url = make_url(database).set(drivername="postgresql+psycopg")
    abroad = Site(create_engine(url, connect_args={"options": f"-c timezone={zone}"}))
    charger = ChargePoint(abroad, site.add(Charger(charger_id="CP")).id)
    ends = ("9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z", "2026-03-01T00:30:00Z")
    for number, at in enumerate(ends, start=1):
        id = charger.start("CAFE", timestamp=at, connectorId=number)
        charger.meter(100, id, connectorId=number)
        assert charger.start("CAFE", timestamp=at, connectorId=number) == id
        charger.stop(id, 150, timestamp=at)
    kept = [row.started_at.isoformat() for row in site.all(Transaction)]
    assert kept == ["9999-12-30T00:00:00+00:00", "0001-01-02T00:00:00+00:00", "2026-03-01T00:30:00+00:00"]
    assert [row.energy_wh for row in abroad.all(Transaction)] == [150, 150, 150]
    abroad.end()
    abroad.engine.dispose()


@both_databases
def test_a3_any_path_can_be_stored(site: Site) -> None:
    path = "/ocpp/a\x00b/" + "ü🔌" * 2000
    place = admission.place(path, "127.0.0.1", "ocpp1.6")
    known = site.journal.perform(lambda work: admission.register(work, "CP", place))
    site.journal.perform(lambda work: admission.arrived(work, known.id, place))
    assert site.one(Charger, charger_id="CP").last_path.startswith("/ocpp/a\ufffdb/ü🔌")


@both_databases
def test_e10_whichever_process_books_the_last_of_the_credit_finds_everything_that_runs_on_it(
    processes: list[Site],
) -> None:
    site = processes[0]
    ids = [site.add(Charger(charger_id=f"CP{number}")).id for number in range(2)]
    chargers = [ChargePoint(process, id) for process, id in zip(processes, ids, strict=True)]
    for number in range(8):
        account = site.tag(f"ONE{number}", credit_wh=1000)
        site.tag(f"TWO{number}", account=account)
        running = [c.start(f"{word}{number}") for c, word in zip(chargers, ("ONE", "TWO"), strict=True)]
        barrier = threading.Barrier(2)

        def charge(charger: ChargePoint, id: int, barrier: threading.Barrier) -> None:
            barrier.wait()
            charger.meter(500, id)

        threads = [
            threading.Thread(target=charge, args=(charger, id, barrier))
            for charger, id in zip(chargers, running, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(
            lambda running=running: (
                {("CP0", running[0]), ("CP1", running[1])} <= processes[0].exhausted | processes[1].exhausted
            )
        )
        for charger, id in zip(chargers, running, strict=True):
            charger.stop(id, 500)
