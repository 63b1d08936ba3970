"""The group commit, on both databases and without sockets: what is told to be done is durable."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError

from app.blueprints.ocpp import writer
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.terms import Needs, Settings
from app.blueprints.ocpp.work import Work
from app.blueprints.ocpp.writer import CommitUnknown, Desk
from app.db import db
from app.domain_error import DomainError
from tests.databases import both_databases, only_postgres
from tests.ocpp.proxy import Proxy, proxied
from tests.ocpp.staff import eventually

SCRATCH = """
    CREATE TABLE scratch (
        id INTEGER PRIMARY KEY,
        mother INTEGER REFERENCES scratch (id) DEFERRABLE INITIALLY DEFERRED
    )
"""
INSERT = "INSERT INTO scratch (id, mother) VALUES (?, ?)"


class Put:
    """Stores one row; keeps what it was told."""

    def __init__(
        self, id: int, mother: int | None = None, before: Callable[[Work], Any] | None = None
    ) -> None:
        self.needs = Needs()
        self.id, self._mother, self._before = id, mother, before
        self.told: list[Any] = []
        self._event = threading.Event()

    def run(self, work: Work) -> int:
        if self._before is not None:
            self._before(work)
        work.db.run(INSERT, (self.id, self._mother))
        work.changed(str(self.id))
        return self.id

    def done(self, result: Any) -> None:
        self.told.append(result)
        self._event.set()

    def failed(self, error: BaseException) -> None:
        self.told.append(error)
        self._event.set()

    def outcome(self, timeout_s: float = 10.0) -> Any:
        assert self._event.wait(timeout_s), "nobody told it anything"
        assert len(self.told) == 1
        return self.told[0]


@pytest.fixture
def engine(app: Flask) -> Iterator[Engine]:
    """The application's engine, with a table to write to."""
    with app.app_context():
        engine = db.engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS scratch"))
        connection.execute(text(SCRATCH))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE scratch"))


@pytest.fixture
def journal(engine: Engine) -> Iterator[Journal]:
    journal = Journal(engine, Settings())
    yield journal
    journal.stop()


@pytest.fixture
def commits(engine: Engine) -> list[float]:
    """When the engine committed."""
    times: list[float] = []
    event.listen(engine, "commit", lambda _connection: times.append(time.monotonic()))
    return times


def stored(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT id FROM scratch ORDER BY id"))]


def behind_a_busy_batch(journal: Journal, operations: list[Put]) -> Put:
    """Submit operations while a batch is running, so that they wait and go together. Return the first one."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_work: Work) -> None:
        begun.set()
        assert go_on.wait(10)

    first = Put(0, before=wait)
    journal.submit(first)
    assert begun.wait(10)
    for operation in operations:
        journal.submit(operation)
    go_on.set()
    return first


@both_databases
def test_what_waits_together_is_committed_together(
    journal: Journal, engine: Engine, commits: list[float]
) -> None:
    operations = [Put(id) for id in range(1, 51)]
    first = behind_a_busy_batch(journal, operations)

    assert [operation.outcome() for operation in [first, *operations]] == list(range(51))
    assert stored(engine) == list(range(51))
    if engine.dialect.name == "sqlite":
        assert len(commits) == 2
    else:  # halved where both writers are free
        assert len(commits) <= 8


@both_databases
def test_a_long_queue_is_cut_into_batches(
    journal: Journal, engine: Engine, commits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_BATCH", 20)
    operations = [Put(id) for id in range(1, 51)]
    behind_a_busy_batch(journal, operations)

    assert [operation.outcome() for operation in operations] == list(range(1, 51))
    assert len(commits) == 4


@both_databases
def test_a_bad_operation_loses_only_itself(journal: Journal, engine: Engine) -> None:
    operations = [Put(7 if id == 20 else id) for id in range(1, 31)]  # the twentieth repeats an id
    behind_a_busy_batch(journal, operations)

    outcomes = [operation.outcome() for operation in operations]
    assert [id for id in outcomes if isinstance(id, int)] == [id for id in range(1, 31) if id != 20]
    assert "IntegrityError" in str(type(outcomes[19]).__mro__)
    assert stored(engine) == [id for id in range(31) if id != 20]


@both_databases
def test_a_refusal_reaches_its_operation_and_nothing_of_it_is_stored(
    journal: Journal, engine: Engine
) -> None:
    def store_and_refuse(work: Work) -> None:
        work.db.run(INSERT, (99, None))
        raise DomainError("not today")

    operations = [Put(1), Put(2, before=store_and_refuse), Put(3)]
    behind_a_busy_batch(journal, operations)

    assert [operation.outcome() for operation in operations[::2]] == [1, 3]
    assert str(operations[1].outcome()) == "not today"
    assert stored(engine) == [0, 1, 3]
    with pytest.raises(DomainError, match="not today"):
        journal.perform(store_and_refuse)


@both_databases
def test_a_commit_that_fails_is_told_to_every_operation(journal: Journal, engine: Engine) -> None:
    """The reference to nobody is looked at in the COMMIT itself."""
    operations = [Put(1), Put(2, mother=77), Put(3)]
    first = behind_a_busy_batch(journal, operations)

    assert first.outcome() == 0
    for operation in operations:
        assert isinstance(operation.outcome(), IntegrityError)
    assert stored(engine) == [0]
    assert journal.perform(lambda _work: "goes on") == "goes on"


@both_databases
def test_trouble_of_a_listener_is_its_own(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def fall_over(_anything: Any) -> None:
        raise RuntimeError("a listener's trouble")

    journal = Journal(engine, Settings(), on_commit=fall_over)
    bad, good = Put(1), Put(2)
    bad.done = fall_over  # type: ignore[method-assign]
    behind_a_busy_batch(journal, [bad, good])

    assert good.outcome() == 2
    journal.stop()
    assert bad.told == []  # not "failed": it is stored
    assert stored(engine) == [0, 1, 2]


@both_databases
def test_stop_finishes_what_waits_and_later_operations_are_not_forgotten(
    journal: Journal, engine: Engine
) -> None:
    operations = [Put(id) for id in range(1, 2001)]
    for operation in operations:
        journal.submit(operation)
    journal.stop()

    assert [operation.told for operation in operations] == [[id] for id in range(1, 2001)]
    late = Put(3000)
    journal.submit(late)
    assert late.outcome() == 3000
    journal.stop()


@both_databases
def test_stop_comes_while_the_writers_are_being_started(engine: Engine) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for id in range(60):
            journal, operation = Journal(engine, Settings()), Put(id)
            submitting = threading.Thread(target=journal.submit, args=(operation,))
            submitting.start()
            while not journal._threads:
                pass
            journal.stop()
            submitting.join()
            assert operation.outcome() == id
            journal.stop()
    finally:
        sys.setswitchinterval(interval)


@both_databases
def test_many_threads_submit_at_once(journal: Journal, engine: Engine, commits: list[float]) -> None:
    results: list[int] = []

    def work(start: int) -> None:
        for id in range(start, start + 50):
            results.append(journal.perform(lambda work, id=id: work.db.run(INSERT, (id, None)) or id))

    threads = [threading.Thread(target=work, args=(number * 100,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(results) == stored(engine) == sorted(n * 100 + m for n in range(8) for m in range(50))
    assert len(commits) < 400


HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO scratch (id) VALUES (1000)")
print("held", flush=True)
time.sleep(2)
connection.execute("COMMIT")
"""


def test_another_process_that_writes_delays_and_loses_nothing(journal: Journal, engine: Engine) -> None:
    file = str(engine.url.database)
    assert journal.perform(lambda _work: "connected") == "connected"
    with subprocess.Popen([sys.executable, "-c", HOLD, file], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        began, operations = time.monotonic(), [Put(id) for id in range(1, 11)]
        for operation in operations:
            journal.submit(operation)
        longest = longest_pause(1.0)
        assert [operation.told for operation in operations] == [[]] * 10
        assert [operation.outcome() for operation in operations] == list(range(1, 11))
        assert time.monotonic() - began > 1.5
    assert longest < 0.3
    assert stored(engine) == [*range(1, 11), 1000]


def longest_pause(seconds: float) -> float:
    """How long this thread had to wait for its turn at worst."""
    worst, last, end = 0.0, time.monotonic(), time.monotonic() + seconds
    while last < end:
        time.sleep(0.01)
        worst, last = max(worst, time.monotonic() - last), time.monotonic()
    return worst


# PostgreSQL: two writers

SLOW_COMMIT = """
    CREATE OR REPLACE FUNCTION wait_in_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.id = 1 THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON scratch DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_in_commit()
"""


@only_postgres
def test_while_one_batch_is_committed_the_next_is_served(journal: Journal, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(SLOW_COMMIT))
    slow, others = Put(1), [Put(id) for id in range(2, 20)]
    with engine.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(1)"))
        journal.submit(slow)
        eventually(lambda: journal.waiting == 0)
        for operation in others:
            journal.submit(operation)
        assert [operation.outcome() for operation in others] == list(range(2, 20))
        assert slow.told == []
    assert slow.outcome() == 1
    assert stored(engine) == list(range(1, 20))


@only_postgres
def test_stop_waits_once_however_many_writers_are_stuck(journal: Journal) -> None:
    """One waits inside its batch, the other for its turn. Both go on before a second wait would be over."""
    go_on = threading.Event()
    operations = [Put(1, before=lambda _work: go_on.wait(10)), Put(2)]
    journal.submit(operations[0])
    eventually(lambda: journal.waiting == 0)
    journal.submit(operations[1])
    release = threading.Timer(1.5, go_on.set)
    release.start()
    journal.stop(1.0)

    assert [operation.told for operation in operations] == [[], []]
    release.join()
    assert [operation.outcome() for operation in operations] == [1, 2]


def test_two_writers_may_take_at_once(engine: Engine) -> None:
    """As they do when both give up on a database that is away: neither dies of it, nothing goes twice."""
    desk, taken, trouble = Desk(engine, Settings(), lambda _news: None), [], []
    filled, interval = threading.Event(), sys.getswitchinterval()

    def take() -> None:
        try:
            while not filled.is_set() or desk.waiting:
                taken.extend(desk.take())
        except IndexError as error:
            trouble.append(error)

    threads = [threading.Thread(target=take) for _ in range(3)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for id in range(20_000):
            desk.waiting.append(Put(id))
        filled.set()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert not trouble
    assert sorted(operation.id for operation in taken) == list(range(20_000))


# PostgreSQL: connections break


def terminate(engine: Engine) -> None:
    """End every other connection to this database, as an administrator may."""
    other = create_engine(engine.url)
    with other.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()


def die_at(turn: int) -> Callable[[Work], None]:
    """Lose the connection when run for the so-manieth time."""
    turns: list[int] = []

    def die(work: Work) -> None:
        turns.append(1)
        if len(turns) == turn:
            work.db.run("SELECT pg_terminate_backend(pg_backend_pid())")

    return die


@only_postgres
def test_a_connection_that_dies_between_batches_costs_nothing(journal: Journal, engine: Engine) -> None:
    for id in range(3):
        terminate(engine)
        operation = Put(id)
        journal.submit(operation)
        assert operation.outcome() == id
    assert stored(engine) == [0, 1, 2]


@only_postgres
def test_a_connection_that_dies_in_a_batch_costs_nothing(journal: Journal, engine: Engine) -> None:
    operations = [Put(1), Put(2, before=die_at(1)), Put(3)]
    behind_a_busy_batch(journal, operations)

    assert [operation.outcome() for operation in operations] == [1, 2, 3]
    assert stored(engine) == [0, 1, 2, 3]


@only_postgres
def test_a_connection_that_dies_while_operations_run_one_by_one_costs_nothing(
    journal: Journal, engine: Engine
) -> None:
    operations = [Put(1), Put(2, before=die_at(2)), Put(0)]  # the last repeats an id
    behind_a_busy_batch(journal, operations)

    assert [operation.outcome() for operation in operations[:2]] == [1, 2]
    assert isinstance(operations[2].outcome(), Exception)
    assert stored(engine) == [0, 1, 2]


@only_postgres
def test_a_deadlock_with_another_process_costs_nothing(journal: Journal, engine: Engine) -> None:
    for id in (1, 2):
        journal.perform(lambda work, id=id: work.db.run(INSERT, (id, None)))
    locked, may_lock = threading.Event(), threading.Event()

    def lock_both(work: Work) -> None:
        work.db.run("UPDATE scratch SET mother = 1 WHERE id = 1")
        locked.set()
        assert may_lock.wait(10)
        work.db.run("UPDATE scratch SET mother = 1 WHERE id = 2")

    with engine.connect() as other:
        other.execute(text("UPDATE scratch SET mother = 2 WHERE id = 2"))
        operation = Put(3, before=lock_both)
        journal.submit(operation)
        assert locked.wait(10)
        may_lock.set()
        time.sleep(0.3)  # it waits for us: one second later it looks for a deadlock, and is its victim
        other.execute(text("UPDATE scratch SET mother = 2 WHERE id = 1"))
        other.commit()

    assert operation.outcome() == 3
    assert stored(engine) == [1, 2, 3]


# PostgreSQL behind a proxy: the network breaks


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    with proxied(make_url(database).port or 5432) as proxy:
        yield proxy


@pytest.fixture
def far_journal(engine: Engine, proxy: Proxy) -> Iterator[Journal]:
    """A journal whose database is behind the proxy."""
    url = engine.url.set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable"})
    far = create_engine(url, pool_pre_ping=True)
    journal = Journal(far, Settings())
    yield journal
    journal.stop()
    far.dispose()


@only_postgres
@pytest.mark.parametrize(("lost", "there"), [("request", [0]), ("answer", [0, 1, 2])])
def test_a_commit_that_nobody_knows_of_is_not_acknowledged_and_not_repeated(
    far_journal: Journal, engine: Engine, proxy: Proxy, lost: str, there: list[int]
) -> None:
    first_is_stored = threading.Event()

    def lose_the_next(_work: Work) -> None:
        assert first_is_stored.wait(10)
        proxy.lose_commit = lost

    operations = [Put(1, before=lose_the_next), Put(2)]
    first = behind_a_busy_batch(far_journal, operations)

    assert first.outcome() == 0
    first_is_stored.set()
    assert all(isinstance(operation.outcome(), CommitUnknown) for operation in operations)
    assert far_journal.perform(lambda _work: "goes on") == "goes on"
    eventually(lambda: stored(engine) == there)
    assert all(len(operation.told) == 1 for operation in operations)


@only_postgres
def test_a_database_that_comes_back_serves_what_waited(
    far_journal: Journal, engine: Engine, proxy: Proxy
) -> None:
    far_journal.perform(lambda _work: None)
    proxy.go_away()
    operations = [Put(id) for id in range(20)]
    for operation in operations:
        far_journal.submit(operation)
    time.sleep(1.5)
    assert all(not operation.told for operation in operations)
    proxy.come_back()

    assert [operation.outcome() for operation in operations] == list(range(20))
    assert stored(engine) == list(range(20))


@only_postgres
def test_a_database_that_stays_away_fails_what_waits_and_soon_what_comes(
    far_journal: Journal, engine: Engine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_S", 1.0)
    far_journal.perform(lambda _work: None)
    proxy.go_away()
    waiting = [Put(id) for id in range(5)]
    for operation in waiting:
        far_journal.submit(operation)
    assert all(isinstance(operation.outcome(), Exception) for operation in waiting)

    began, later = time.monotonic(), Put(10)
    far_journal.submit(later)
    assert isinstance(later.outcome(), Exception)
    assert time.monotonic() - began < 0.5

    proxy.come_back()
    back = Put(11)
    far_journal.submit(back)
    assert back.outcome() == 11
    assert stored(engine) == [11]


@only_postgres
def test_a_process_that_ends_does_not_wait_for_a_database_that_is_away(
    far_journal: Journal, proxy: Proxy
) -> None:
    far_journal.perform(lambda _work: None)
    proxy.go_away()
    operation = Put(1)
    far_journal.submit(operation)
    began = time.monotonic()
    far_journal.stop()

    assert time.monotonic() - began < 2
    assert isinstance(operation.outcome(), Exception)
