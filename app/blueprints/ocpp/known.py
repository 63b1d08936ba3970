"""What a batch of the journal has read, each row once, as the batch has left it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.blueprints.ocpp import tables
from app.blueprints.ocpp.rows import ChargerRow, TagRow, TransactionRow
from app.blueprints.ocpp.statements import Dialogue
from app.blueprints.ocpp.terms import Needs


class Known:
    """The reading half of a unit of work. What was not read ahead is read when it is asked for."""

    def __init__(self, connection: Connection) -> None:
        self.db = Dialogue(connection)
        self._chargers: dict[int, ChargerRow] = {}
        self._tags: dict[str, TagRow | None] = {}
        self._transactions: dict[int, TransactionRow | None] = {}
        self._running: dict[int, list[TransactionRow]] = {}
        self._knocking: dict[str, Any] = {}
        self._elsewhere: dict[str, list[Any]] = {}
        # Ids for transactions that begin in this batch.
        self._ids: list[int] = []
        # As it was read or last written: id → columns that may change.
        self._before: dict[int, tuple[Any, ...]] = {}
        self._spent: defaultdict[int, int] = defaultdict(int)

    def prefetch(self, needs: Iterable[Needs], *, ids: bool = True) -> None:
        """Read for the whole batch what each operation will ask for, in one go.

        ``ids``: also those of transactions that may begin, so that they can be written with everything else.
        """
        needs = list(needs)
        chargers = {need.charger for need in needs if need.charger is not None}
        running = {need.charger for need in needs if need.charger is not None and need.running}
        tags = {need.id_tag for need in needs if need.id_tag}
        starting = [need for need in needs if need.charger is not None and need.start]
        knocking = {need.knocking for need in needs if need.knocking}
        asked: list[tuple[Callable[..., None], str, set[Any]]] = [
            (self._load_chargers, tables.CHARGERS, chargers),
            (self._load_running, tables.RUNNING, running),
            (self._load_tags, tables.TAGS, tags),
            # Once the tags are locked, nobody else starts on them.
            (self._load_elsewhere, tables.RUNNING_BY_TAG, {need.id_tag for need in starting if need.id_tag}),
            (self._load_knocking, tables.KNOCKING, knocking),
        ]
        new = None
        with self.db.pipeline():
            if starting and not self.db.sqlite:
                self.db.run(tables.STARTS_IN_TURN, (sorted(need.charger or 0 for need in starting),))
                new = self.db.ask(tables.TRANSACTION_IDS, (len(starting),)) if ids else None
            found = [
                (load, self.db.ask(sql, (self.db.members(sorted(keys)),)), keys)
                for load, sql, keys in asked
                if keys
            ]
        for load, rows, keys in found:
            load(keys, rows())
        if new is not None:
            self._ids = [id for (id,) in new()]

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

    def knocking(self, charger_id: str) -> tuple[Any, ...] | None:
        """What the door must know of the charger with this id (``tables.KNOCKING``), if it is known."""
        if charger_id not in self._knocking:
            self._load_knocking({charger_id})
        row: tuple[Any, ...] | None = self._knocking[charger_id]
        return row

    def forget_knocking(self, charger_id: str) -> None:
        """Read it again: it has just been created."""
        self._knocking.pop(charger_id, None)

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
        if id_tag not in self._elsewhere:
            self._load_elsewhere({id_tag})
        stored = {row[0]: row for row in self._elsewhere[id_tag]}
        here = [row for row in self._transactions.values() if row and row.id_tag == id_tag]
        for row in here:  # what this batch has changed is not in the database yet
            stored.pop(row.id, None)
        found = [(id, self.db.loaded(seen)) for id, seen, _ in stored.values()]
        return found + [
            (row.id, self.charger(row.charger_id).last_seen)
            for row in here
            if row.running and not row.refused
        ]

    # Loading

    def _found(self, sql: str, keys: Collection[Any], rows: list[Any] | None) -> list[Any]:
        return self.db.all(sql, (self.db.members(keys),)) if rows is None else rows

    def _load_chargers(self, ids: set[int], rows: list[Any] | None = None) -> None:
        for id, charger_id, require_rfid, status, seen in self._found(tables.CHARGERS, ids, rows):
            self._chargers[id] = ChargerRow(id, charger_id, bool(require_rfid), status, self.db.loaded(seen))

    def _load_running(self, chargers: set[int], rows: list[Any] | None = None) -> None:
        for charger in chargers:
            self._running[charger] = []
        for row in self._found(tables.RUNNING, chargers, rows):
            transaction = self._transaction(row)
            self._running[transaction.charger_id].append(transaction)

    def _transaction(self, row: Any) -> TransactionRow:
        known = self._transactions.get(row[0])
        if known is not None:
            return known
        transaction = TransactionRow(*row[:9], *map(self.db.loaded, row[9:12]), *row[12:])
        self._transactions[transaction.id] = transaction
        self._before[transaction.id] = mutable(transaction)
        return transaction

    def _load_elsewhere(self, tags: set[str], rows: list[Any] | None = None) -> None:
        for tag in tags:
            self._elsewhere[tag] = []
        for row in self._found(tables.RUNNING_BY_TAG, tags, rows):
            self._elsewhere[row[2]].append(row)

    def _load_knocking(self, charger_ids: set[str], rows: list[Any] | None = None) -> None:
        for charger_id in charger_ids:
            self._knocking[charger_id] = None
        for row in self._found(tables.KNOCKING, charger_ids, rows):
            self._knocking[row[0]] = row

    def _load_tags(self, tags: set[str], rows: list[Any] | None = None) -> None:
        for tag in tags:
            self._tags[tag] = None
        for row in self._found(tables.TAGS, tags, rows):
            tag, allowed, expires_at, parent, user, active, account, service, credited, spent = row
            self._tags[tag] = TagRow(
                tag, bool(allowed), self.db.loaded(expires_at), parent, user, bool(active), account,
                bool(service), (credited or 0) - (spent or 0) - self._spent.get(account, 0),
            )  # fmt: skip


def mutable(row: TransactionRow) -> tuple[Any, ...]:
    return (
        row.meter_last_wh, row.meter_stop_wh, row.energy_wh, row.stopped_at, row.stop_received_at,
        row.stop_reason, row.stop_id_tag, row.flags,
    )  # fmt: skip
