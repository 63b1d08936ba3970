"""The journal's unit of work: what a batch of operations has read, and what it will write.

Rules see rows (``rows.py``), as if each charger were alone. Reading ahead and writing in bulk for the whole
batch happen here, so that the database is asked a fixed number of times however many chargers speak at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.blueprints.ocpp import tables
from app.blueprints.ocpp.rows import ChargerRow, TagRow, TransactionRow
from app.blueprints.ocpp.statements import Dialogue, Rows
from app.blueprints.ocpp.terms import Needs, News, Settings
from app.clock import day_of, utcnow


@dataclass(slots=True)
class _ChargerNews:
    """What a batch learned of a charger; None leaves the column as it is."""

    heartbeat_at: datetime | None = None
    meter_values: str | None = None


class Work:
    """One database transaction for many operations."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.db = Dialogue(connection)
        self.settings = settings
        self.now = utcnow()
        # The same as the driver takes it; every message needs it.
        self.stored_now = self.db.stored(self.now)
        self.news = News()
        self._chargers: dict[int, ChargerRow] = {}
        self._tags: dict[str, TagRow | None] = {}
        self._transactions: dict[int, TransactionRow | None] = {}
        self._before: dict[int, tuple[Any, ...]] = {}
        self._running: dict[int, list[TransactionRow]] = {}
        self._news: dict[int, _ChargerNews] = {}
        self._spent: defaultdict[int, int] = defaultdict(int)
        # (charger, day) → Wh and sessions that the batch adds.
        self._days: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
        self._rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._keyed: defaultdict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)

    # Reading

    def prefetch(self, needs: Iterable[Needs]) -> None:
        """Read for the whole batch what each operation will ask for."""
        chargers, running, tags = set(), set(), set()
        for need in needs:
            if need.charger is not None:
                chargers.add(need.charger)
                if need.running:
                    running.add(need.charger)
            if need.id_tag:
                tags.add(need.id_tag)
        if chargers:
            self._load_chargers(chargers)
        if running:
            self._load_running(running)
        if tags:
            self._load_tags(tags)

    def charger(self, id: int) -> ChargerRow:
        """The charger with this primary key."""
        if id not in self._chargers:
            self._load_chargers({id})
        return self._chargers[id]

    def find_tag(self, id_tag: str) -> TagRow | None:
        """The known tag, if it is one. ``id_tag`` is upper-cased."""
        if id_tag not in self._tags:
            self._load_tags({id_tag})
        return self._tags[id_tag]

    def suppose(self, tag: TagRow) -> None:
        """Let a tag be known that is not; to this work alone, nothing is written."""
        self._tags[tag.id_tag] = tag

    def find_transaction(self, id: int) -> TransactionRow | None:
        """The transaction with this id."""
        if id not in self._transactions:
            row = self.db.one(tables.TRANSACTION_BY_ID, (id,))
            self._transactions[id] = self._transaction(row) if row else None
        return self._transactions[id]

    def running(self, charger: int) -> list[TransactionRow]:
        """The charger's transactions that have not stopped, oldest first."""
        if charger not in self._running:
            self._load_running({charger})
        return [row for row in self._running[charger] if row.running]

    def running_elsewhere(self, id_tag: str) -> list[tuple[int, datetime | None]]:
        """The tag's accepted, running transactions: (id, when its charger was last seen)."""
        stored = {row[0]: row for row in self.db.all(tables.RUNNING_BY_TAG, (id_tag,))}
        here = [row for row in self._transactions.values() if row and row.id_tag == id_tag]
        for row in here:  # what this batch has changed is not in the database yet
            stored.pop(row.id, None)
        found = [(id, self.db.loaded(seen)) for id, seen in stored.values()]
        return found + [
            (row.id, self.charger(row.charger_id).last_seen)
            for row in here
            if row.running and not row.refused
        ]

    # Writing

    def start(self, row: TransactionRow) -> bool:
        """Store a new transaction and give ``row`` its id; False, with the first one's id, if it is known."""
        self.running(row.charger_id)  # read before the new one is there
        found = self.db.one(
            tables.START_TRANSACTION,
            (
                row.charger_id, row.connector_id, row.id_tag, row.account_id, row.meter_start_wh,
                row.meter_last_wh, 0, self.db.stored(row.started_at), self.stored_now, row.refused,
                row.flags, "", "",
            ),
        )  # fmt: skip
        if found is None:
            first = self.db.one(
                tables.SAME_START,
                (
                    row.charger_id,
                    row.connector_id,
                    row.id_tag,
                    self.db.stored(row.started_at),
                    row.meter_start_wh,
                ),
            )
            row.id = first[0]
            return False
        row.id = found[0]
        self._transactions[row.id] = row
        self._before[row.id] = _mutable(row)
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
        """Append a row to one of ``tables.INSERTS``."""
        self._rows[kind].append(row)

    def is_odd_stop_known(self, charger: ChargerRow, claimed_id: str, payload_json: str) -> bool:
        """Whether this very stop is in the quarantine already."""
        return self.db.one(tables.SAME_ODD_STOP, (charger.id, claimed_id, payload_json)) is not None

    def put(self, kind: str, key: Any, row: tuple[Any, ...]) -> None:
        """Insert or replace by key, in one of ``tables.INSERTS``; the last of a batch counts."""
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
        with self.db.pipeline():
            exhausted = self._flush()
        if exhausted is not None:
            self.news.exhausted.update(exhausted())

    def _flush(self) -> Rows | None:
        self._flush_transactions()
        self._flush_chargers()
        exhausted = self._flush_accounts()
        tables.INSERTS["day"].execute(self.db, [(*key, *day) for key, day in sorted(self._days.items())])
        self._days.clear()
        for kind, rows in self._rows.items():
            tables.INSERTS[kind].execute(self.db, rows)
        for kind, keyed in self._keyed.items():
            tables.INSERTS[kind].execute(self.db, list(keyed.values()))
        self._forget_tags()
        self._rows.clear()
        self._keyed.clear()
        return exhausted

    def _flush_accounts(self) -> Rows | None:
        """Book what was spent, and ask what still runs where the credit is gone, by whichever process."""
        spent = [(wh, account) for account, wh in sorted(self._spent.items()) if wh]
        self._spent.clear()
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
            if row is None or self._before[row.id] == (values := _mutable(row)):
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

    # Loading

    def _load_chargers(self, ids: set[int]) -> None:
        for id, charger_id, require_rfid, status, seen in self.db.all(
            tables.CHARGERS, (self.db.members(ids),)
        ):
            self._chargers[id] = ChargerRow(id, charger_id, bool(require_rfid), status, self.db.loaded(seen))

    def _load_running(self, chargers: set[int]) -> None:
        for charger in chargers:
            self._running[charger] = []
        for row in self.db.all(tables.RUNNING, (self.db.members(chargers),)):
            transaction = self._transaction(row)
            self._running[transaction.charger_id].append(transaction)

    def _transaction(self, row: Any) -> TransactionRow:
        known = self._transactions.get(row[0])
        if known is not None:
            return known
        transaction = TransactionRow(*row[:9], *map(self.db.loaded, row[9:12]), *row[12:])
        self._transactions[transaction.id] = transaction
        self._before[transaction.id] = _mutable(transaction)
        return transaction

    def _load_tags(self, tags: set[str]) -> None:
        for tag in tags:
            self._tags[tag] = None
        for row in self.db.all(tables.TAGS, (self.db.members(tags),)):
            tag, allowed, expires_at, parent, user, active, account, service, credited, spent = row
            self._tags[tag] = TagRow(
                tag, bool(allowed), self.db.loaded(expires_at), parent, user, bool(active), account,
                bool(service), (credited or 0) - (spent or 0) - self._spent.get(account, 0),
            )  # fmt: skip


def _mutable(row: TransactionRow) -> tuple[Any, ...]:
    return (
        row.meter_last_wh, row.meter_stop_wh, row.energy_wh, row.stopped_at, row.stop_received_at,
        row.stop_reason, row.stop_id_tag, row.flags,
    )  # fmt: skip
