"""The journal's unit of work: what a batch of operations has read (see ``known``), and what it will write.

Rules see rows (``rows.py``), as if each charger were alone. Reading ahead and writing in bulk for the whole
batch happen here, so that the database is asked a fixed number of times however many chargers speak at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.blueprints.ocpp import tables
from app.blueprints.ocpp.known import Known, mutable
from app.blueprints.ocpp.rows import ChargerRow, TransactionRow
from app.blueprints.ocpp.statements import Rows
from app.blueprints.ocpp.terms import News, Settings
from app.clock import day_of, utcnow


@dataclass(slots=True)
class _ChargerNews:
    """What a batch learned of a charger; None leaves the column as it is."""

    heartbeat_at: datetime | None = None
    meter_values: str | None = None


class StartKnown(Exception):
    """A transaction that was thought to be new is stored already: the batch must be run again, carefully."""


class Work(Known):
    """One database transaction for many operations."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        super().__init__(connection)
        self.settings = settings
        self.now = utcnow()
        # The same as the driver takes it; every message needs it.
        self.stored_now = self.db.stored(self.now)
        self.news = News()
        self._news: dict[int, _ChargerNews] = {}
        # (charger, day) → Wh and sessions that the batch adds.
        self._days: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
        self._started: list[tuple[Any, ...]] = []
        self._rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._keyed: defaultdict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)

    # Writing

    def start(self, row: TransactionRow) -> bool:
        """Store a new transaction and give ``row`` its id; False, with the first one's id, if it is known.

        With an id at hand it is written with everything else, and ``flush`` raises ``StartKnown`` if it is.
        """
        self.running(row.charger_id)  # read before the new one is there
        columns = (
            row.charger_id, row.connector_id, row.id_tag, row.account_id, row.meter_start_wh,
            row.meter_last_wh, 0, self.db.stored(row.started_at), self.stored_now, row.refused,
            row.flags, "", "",
        )  # fmt: skip
        if self._ids:
            row.id = self._ids.pop()
            self._started.append((*columns, row.id))
        elif found := self.db.one(tables.START_TRANSACTION, columns):
            row.id = found[0]
        else:
            same = (*columns[:3], columns[7], row.meter_start_wh)
            row.id = self.db.one(tables.SAME_START, same)[0]
            return False
        self._transactions[row.id] = row
        self._before[row.id] = mutable(row)
        self._running[row.charger_id].append(row)
        return True

    def spend(self, account_id: int, energy_wh: int) -> None:
        """Add to an account's spent energy (negative takes back)."""
        self._spent[account_id] += energy_wh
        for tag in self._tags.values():
            if tag is not None and tag.account_id == account_id:
                tag.balance_wh -= energy_wh

    def deliver(self, charger: int, at: datetime, energy_wh: int, sessions: int = 0) -> None:
        """Add energy (negative takes back) and sessions to the charger's day of that moment."""
        day = self._days[charger, day_of(at, self.settings.time_zone).isoformat()]
        day[0] += energy_wh
        day[1] += sessions

    def seen(self, charger: ChargerRow) -> None:
        """Any message refreshes last seen."""
        self._news.setdefault(charger.id, _ChargerNews())
        charger.last_seen = self.now

    def heartbeat(self, charger: ChargerRow) -> None:
        """The charger sent a Heartbeat."""
        self._news.setdefault(charger.id, _ChargerNews()).heartbeat_at = self.now

    def meter_values(self, charger: ChargerRow, payload_json: str) -> None:
        """The charger's newest MeterValues payload."""
        self._news.setdefault(charger.id, _ChargerNews()).meter_values = payload_json

    def add(self, kind: str, row: tuple[Any, ...]) -> None:
        """Append a row to one of ``tables.BULK``."""
        self._rows[kind].append(row)

    def is_odd_stop_known(self, charger: ChargerRow, claimed_id: str, payload_json: str) -> bool:
        """Whether this very stop is in the quarantine already."""
        return self.db.one(tables.SAME_ODD_STOP, (charger.id, claimed_id, payload_json)) is not None

    def put(self, kind: str, key: Any, row: tuple[Any, ...]) -> None:
        """Write by key, in one of ``tables.BULK``; the last of a batch counts."""
        self._keyed[kind].pop(key, None)
        self._keyed[kind][key] = row

    def put_found(self, kind: str, key: Any) -> tuple[Any, ...] | None:
        """The row already put under this key in this batch."""
        return self._keyed[kind].get(key)

    def changed(self, charger_id: str) -> None:
        """People who look at this charger must be told, after the commit."""
        self.news.changed.add(charger_id)

    def flush(self) -> None:
        """Write everything that was collected."""
        expected = len(self._started)
        with self.db.pipeline():
            started = tables.START_TRANSACTIONS.execute(self.db, self._started) if expected else None
            exhausted = self._flush()
        if started is not None and len(started()) < expected:
            raise StartKnown
        if exhausted is not None:
            self.news.exhausted.update(exhausted())

    def _flush(self) -> Rows | None:
        self._started.clear()
        self._flush_transactions()
        self._flush_chargers()
        exhausted = self._flush_accounts()
        tables.BULK["day"].execute(self.db, [(*key, *day) for key, day in sorted(self._days.items())])
        self._days.clear()
        for kind, rows in self._rows.items():
            tables.BULK[kind].execute(self.db, rows)
        for kind, keyed in self._keyed.items():
            tables.BULK[kind].execute(self.db, [row for _, row in sorted(keyed.items())])
        self._forget_tags()
        self._rows.clear()
        self._keyed.clear()
        return exhausted

    def _flush_accounts(self) -> Rows | None:
        """Book what was spent, and ask what still runs where the credit is gone, by whichever process."""
        spent = [(wh, account) for account, wh in sorted(self._spent.items()) if wh]
        self._spent.clear()
        if len(spent) > 1 and not self.db.sqlite:  # the update itself locks in the order that suits its plan
            self.db.run(tables.LOCK_ACCOUNTS, (self.db.members(account for _, account in spent),))
        tables.SPEND.execute(self.db, spent)
        drawing = [account for wh, account in spent if wh > 0]
        return self.db.ask(tables.EXHAUSTED, (self.db.members(drawing),)) if drawing else None

    def _forget_tags(self) -> None:
        chargers = {charger for charger, _ in self._keyed["unknown_tag"]}
        if chargers:
            cap = tables.MAX_UNKNOWN_TAGS
            self.db.run(tables.FORGET_TAGS, (self.db.members(chargers), cap, cap))

    def _flush_transactions(self) -> None:
        changed = []
        for row in self._transactions.values():
            if row is None or self._before[row.id] == (values := mutable(row)):
                continue
            self._before[row.id] = values
            changed.append((
                row.meter_last_wh, row.meter_stop_wh, row.energy_wh, self.db.stored(row.stopped_at),
                self.db.stored(row.stop_received_at), row.stop_reason, row.stop_id_tag, row.flags, row.id,
            ))  # fmt: skip
        tables.UPDATE_TRANSACTION.execute(self.db, changed)

    def _flush_chargers(self) -> None:
        now = self.stored_now
        tables.UPDATE_CHARGER.execute(
            self.db,
            [
                (now, self.db.stored(news.heartbeat_at), news.meter_values, id)
                for id, news in sorted(self._news.items())
            ],
        )
        self._news.clear()
