"""The rules without a socket: chargers that ask through session, journal and handlers, on a real database.

site = Site(engine)
charger = site.charger("CP1", require_rfid=True)
site.tag("CAFE", credit_wh=5000)
charger.ask("Authorize", {"idTag": "CAFE"})      # the payload of the answer, which has passed its schema
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, func, make_url, select
from sqlalchemy.orm import Session as Database

from app.blueprints.accounts.models import RFID, Account, User
from app.blueprints.ocpp import models
from app.blueprints.ocpp.central_system import v16
from app.blueprints.ocpp.exchange import CentralSystem, Exchange
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.models import ChargerDay, Transaction
from app.blueprints.ocpp.outbox import Outgoing
from app.blueprints.ocpp.services import transactions
from app.blueprints.ocpp.session import Answered, Incoming, Session
from app.blueprints.ocpp.terms import News, Settings
from app.blueprints.ocpp.wire import V16
from app.blueprints.ocpp.work import Work
from app.db import _sqlite_manners
from tests.ocpp import answers

Row = TypeVar("Row")
_ids = itertools.count(1)


def connect(database_url: str) -> Engine:
    """An engine with the application's manners."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 0.0, "check_same_thread": False})
    _sqlite_manners(engine)
    return engine


class Site:
    """One installation: its database, its rules, its staff."""

    def __init__(self, engine: Engine, settings: Settings | None = None) -> None:
        self.engine = engine
        # What runs on accounts whose credit is gone, as the journal has told it.
        self.exhausted: set[tuple[str, int]] = set()
        self.journal = Journal(engine, settings or Settings(), on_commit=self._learn)
        self.central_system = CentralSystem(v16)

    # What staff set up

    def add(self, row: Row) -> Row:
        """Store a row."""
        with self._writing() as database:
            database.add(row)
            database.commit()
        return row

    def charger(self, charger_id: str = "CP1", *, strict: bool = False, **columns: Any) -> ChargePoint:
        """A charger that staff know."""
        row = self.add(models.Charger(charger_id=charger_id, **columns))
        return ChargePoint(self, row.id, strict=strict)

    def account(
        self, name: str, *, credit_wh: int = 100_000, service: bool = False, active: bool = True
    ) -> int:
        """A user's account; its id."""
        user = self.add(User(username=name, is_active=active))
        return self.add(
            Account(user_id=user.id, credited_wh=credit_wh, service_account=service, spent_wh=0)
        ).id

    def tag(self, rfid: str, *, account: int | None = None, credit_wh: int = 100_000, **columns: Any) -> int:
        """A known tag, of its own account unless another is named; the account's id."""
        account = account or self.account(f"owner of {rfid}", credit_wh=credit_wh)
        owner = self.one(Account, id=account).user_id
        self.add(RFID(rfid=rfid, **{"user_id": owner, **columns}))
        return account

    def change(self, model: type[Row], id: int, **columns: Any) -> None:
        """Edit a row, as the admin does."""
        with self._writing() as database:
            row = database.get(model, id)
            for name, value in columns.items():
                setattr(row, name, value)
            database.commit()

    def close(self, transaction_id: int) -> None:
        """End a transaction by hand."""
        self.journal.perform(lambda work: transactions.close(work, transaction_id))

    @contextmanager
    def one_batch(self, operations: int) -> Iterator[None]:
        """What is asked inside the block is handled in one batch, once there are so many operations."""
        busy, go_on = threading.Event(), threading.Event()

        def hold(_work: Work) -> None:
            busy.set()
            go_on.wait(10)

        holding = threading.Thread(target=self.journal.perform, args=(hold,))
        holding.start()
        busy.wait(10)
        yield
        while self.journal.waiting < operations:
            time.sleep(0.005)
        go_on.set()
        holding.join()

    # What the database holds

    def all(self, model: type[Row], **columns: Any) -> Sequence[Row]:
        """The rows with these values, oldest first."""
        with Database(self.engine, expire_on_commit=False) as database:
            return database.scalars(select(model).filter_by(**columns).order_by(model.id)).all()  # type: ignore[attr-defined]

    def one(self, model: type[Row], **columns: Any) -> Row:
        """The only row with these values."""
        (row,) = self.all(model, **columns)
        return row

    def transaction(self, id: int) -> Transaction:
        """The transaction with this id."""
        return self.one(Transaction, id=id)

    def spent(self, account: int) -> int:
        """An account's running total."""
        return self.one(Account, id=account).spent_wh

    def check_books(self) -> None:
        """Every account's total, and the days of every charger, are the sum of their transactions' energy."""
        with Database(self.engine) as database:
            summed = select(func.coalesce(func.sum(Transaction.energy_wh), 0))
            summed = summed.where(Transaction.account_id == Account.id)
            for id, spent, energy in database.execute(
                select(Account.id, Account.spent_wh, summed.scalar_subquery())
            ):
                assert spent == energy, f"account {id}: spent {spent}, its transactions {energy}"
            used = select(Transaction.charger_id, func.sum(Transaction.energy_wh)).group_by(
                Transaction.charger_id
            )
            days = select(ChargerDay.charger_id, func.sum(ChargerDay.energy_wh)).group_by(
                ChargerDay.charger_id
            )
            delivered = {id: wh for id, wh in database.execute(days) if wh}
            assert delivered == {id: wh for id, wh in database.execute(used) if wh}

    def end(self) -> None:
        """No more operations."""
        self.journal.stop()

    def _learn(self, news: News) -> None:
        self.exhausted |= news.exhausted

    def _writing(self) -> Database:
        return Database(self.engine.execution_options(writing=True), expire_on_commit=False)


class ChargePoint:
    """A charger of a site, and its line."""

    def __init__(self, site: Site, id: int, *, strict: bool = False) -> None:
        self.site, self.id, self.strict = site, id, strict
        self.open = True
        self.sent: list[Any] = []
        self._news = threading.Event()
        self.session = self._session()

    def ask(self, action: str, payload: Any = None) -> dict[str, Any]:
        """The payload of the answer; it is a CALLRESULT, and valid."""
        return answers.result(action, self.exchange(action, payload))

    def refused(self, action: str, payload: Any = None) -> str:
        """The code of the CALLERROR that answers."""
        return answers.error(self.exchange(action, payload))

    def exchange(self, action: str, payload: Any = None) -> list[Any]:
        """The answer, whatever it is."""
        return self.tell(json.dumps([2, f"m{next(_ids)}", action, {} if payload is None else payload]))

    def tell(self, text: str | bytes) -> Any:
        """Send a frame as it stands; the next message that comes."""
        self._news.clear()
        self.session.feed(text)
        assert self._news.wait(10), "no answer"
        return self.sent[-1]

    def reconnect(self) -> None:
        """A new socket: what the old one remembered is gone."""
        self.session = self._session()

    # Charging, in a line

    def start(self, id_tag: str = "CAFE", **fields: Any) -> int:
        """Start a transaction; its id."""
        return int(self.started(id_tag, **fields)["transactionId"])

    def started(self, id_tag: str = "CAFE", **fields: Any) -> dict[str, Any]:
        """Start a transaction; the answer."""
        payload = {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": _now()}
        return self.ask("StartTransaction", payload | fields)

    def meter(self, value: Any, transaction_id: int | None = None, **fields: Any) -> None:
        """Tell the register."""
        payload = {"connectorId": 1, "meterValue": [element([{"value": str(value)}])]}
        if transaction_id is not None:
            payload["transactionId"] = transaction_id
        self.ask("MeterValues", payload | fields)

    def stop(self, transaction_id: Any, meter_stop: Any, **fields: Any) -> dict[str, Any]:
        """End a transaction; the answer."""
        payload = {"transactionId": transaction_id, "meterStop": meter_stop, "timestamp": _now()}
        return self.ask("StopTransaction", payload | fields)

    # The line, as a session sees it

    def frames(self) -> Iterable[str | bytes]:
        """Frames are fed by ``tell``."""
        return ()

    def send(self, text: str) -> None:
        """The central system speaks."""
        self.sent.append(json.loads(text))
        self._news.set()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The central system hangs up."""
        self.open = False

    def _session(self) -> Session:
        return Session(self, V16, self._serve, self._record, strict=self.strict)

    def _serve(self, incoming: Incoming, answered: Answered) -> None:
        site = self.site
        site.journal.submit(
            Exchange(self.id, incoming, answered, site.central_system, site.journal, lambda _status: None)
        )

    def _record(self, outgoing: Outgoing) -> None:
        pass


class Clock:
    """The clock of the rules, where it can be moved."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, **span: float) -> None:
        """Let time pass: minutes, hours, days."""
        self.ahead += timedelta(**span)


def element(samples: list[dict[str, Any]], at: str | None = None) -> dict[str, Any]:
    """One MeterValue: what was sampled at a time."""
    return {"timestamp": at or _now(), "sampledValue": samples}


def sample(value: Any, measurand: str = "", **fields: Any) -> dict[str, Any]:
    """One sampled value."""
    return {"value": str(value)} | ({"measurand": measurand} if measurand else {}) | fields


def iso(at: datetime) -> str:
    """A time as chargers write it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _now() -> str:
    return iso(datetime.now(UTC))
