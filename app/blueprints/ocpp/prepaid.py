"""Prepaid charging: what runs on an account whose credit is gone is stopped, live (OCPP 1.6, 5.12).

After each commit the journal tells which transactions that are. The process that holds the charger asks it to
stop, once a connection; the others are told by the bus. One that refuses, or does not answer, is asked again
when its meter moves on, and so is one that comes back and charges still.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.journal import Journal
from app.blueprints.ocpp.outbox import NotSent
from app.blueprints.ocpp.registry import Connection, Registry
from app.blueprints.ocpp.services import transactions

log = logging.getLogger(__name__)

TOPIC = "exhausted"
# A charger that did not accept is left alone for so long.
PAUSE_S = 60.0
# Other processes are told again of a charger of theirs after so long.
TELL_AGAIN_S = 5.0

# charger_id, transaction's id
Running = tuple[str, int]


class Prepaid:
    """Ends what nobody pays for, on this process's chargers."""

    def __init__(self, registry: Registry, bus: Bus | None, journal: Journal, timeout_s: float) -> None:
        self._registry, self._bus, self._journal, self._timeout_s = registry, bus, journal, timeout_s
        self._lock = threading.Lock()
        # Connection → transaction → not before this time (infinite: it has accepted).
        self._asked: WeakKeyDictionary[Connection, dict[int, float]] = WeakKeyDictionary()
        self._told: dict[Running, float] = {}

    def stop(self, exhausted: Iterable[Running]) -> None:
        """Have these transactions stopped, here or by the process that holds their charger. Never waits."""
        elsewhere = [running for running in exhausted if not self._stop_here(*running)]
        if self._bus is not None and (news := self._untold(elsewhere)):
            message = {"transactions": news}
            threading.Thread(target=self._bus.broadcast, args=(TOPIC, message), daemon=True).start()

    def heard(self, message: dict[str, Any]) -> None:
        """Another process found these."""
        for charger_id, transaction_id in message["transactions"]:
            self._stop_here(charger_id, transaction_id)

    def _stop_here(self, charger_id: str, transaction_id: int) -> bool:
        """Whether this process holds the charger; then it is asked, unless it has been."""
        connection = self._registry.find(charger_id)
        if connection is None:
            return False
        if self._is_due(connection, transaction_id):
            asking = threading.Thread(target=self._ask, args=(connection, transaction_id), daemon=True)
            asking.start()
        return True

    def _is_due(self, connection: Connection, transaction_id: int) -> bool:
        with self._lock:
            asked = self._asked.setdefault(connection, {})
            if asked.get(transaction_id, 0.0) > time.monotonic():
                return False
            asked[transaction_id] = float("inf")
            return True

    def _ask(self, connection: Connection, transaction_id: int) -> None:
        charger_id = connection.charger_id
        try:
            outgoing = connection.session.call(
                "RemoteStopTransaction", {"transactionId": transaction_id}, self._timeout_s
            )
            accepted = (outgoing.result or {}).get("status") == "Accepted"
            told = (outgoing.result or {}).get("status", "no answer")
        except NotSent as refusal:
            accepted, told = False, refusal.reason
        if not accepted:
            with self._lock:
                self._asked.setdefault(connection, {})[transaction_id] = time.monotonic() + PAUSE_S
        log.info(
            "%s: credit is gone, stop of transaction %d: %s",
            charger_id,
            transaction_id,
            told,
            extra={"charger": charger_id, "action": "RemoteStopTransaction"},
        )
        self._journal.perform(lambda work: transactions.note(work, transaction_id, "credit_gone"))

    def _untold(self, elsewhere: list[Running]) -> list[Running]:
        """Those that the other processes have not been told of just now."""
        now = time.monotonic()
        with self._lock:
            self._told = {running: at for running, at in self._told.items() if now - at < TELL_AGAIN_S}
            news = [running for running in elsewhere if running not in self._told]
            self._told.update(dict.fromkeys(news, now))
        return news
