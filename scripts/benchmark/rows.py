"""The database held against what was acknowledged: nothing may be missing, and little may be more."""

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.benchmark.database import Database
from scripts.benchmark.load import Load
from scripts.benchmark.messages import METER, SAMPLES_PER_METER_VALUES, START


@dataclass
class RowCheck:
    """One kind of row: how many answers promised it, how many there are."""

    kind: str
    acknowledged: int
    stored: int
    missing: int  # counted one by one, so that a row too many does not hide one too few
    may_exceed: int  # rows of calls that were still open: stored or not, both are right

    @property
    def surplus(self) -> int:
        """Rows that no call explains."""
        return max(0, self.stored - self.acknowledged - self.may_exceed)

    @property
    def verdict(self) -> str:
        """``OK``, ``MISSING n`` or ``TOO MANY n``."""
        if self.missing:
            return f"MISSING {self.missing:,}"
        return f"TOO MANY {self.surplus:,}" if self.surplus else "OK"


def check_rows(database: Database, load: Load) -> list[RowCheck]:
    """Compare every acknowledged call with its rows, by id."""
    return [
        _transactions(database, load),
        _stops(database, load),
        _readings(database, load),
        _messages(database, load),
    ]


def _transactions(database: Database, load: Load) -> RowCheck:
    stored = _column(database, "SELECT id FROM charge_transaction")
    acknowledged = load.ledger.transactions
    missing, may_exceed = _missing(acknowledged, stored), load.ledger.unanswered_by(START)
    return RowCheck("transactions", load.ledger.starts, len(stored), missing, may_exceed)


def _stops(database: Database, load: Load) -> RowCheck:
    stored = _column(database, "SELECT id FROM charge_transaction WHERE meter_stop_wh IS NOT NULL")
    acknowledged = load.ledger.stopped
    # A start on a connector whose transaction never stopped ends the old one (E8).
    may_exceed = len(load.ledger.unanswered) + len(load.ledger.transactions.keys() - acknowledged)
    return RowCheck("… stopped", len(acknowledged), len(stored), _missing(acknowledged, stored), may_exceed)


def _readings(database: Database, load: Load) -> RowCheck:
    sql = "SELECT transaction_id, count(*) FROM meter_reading GROUP BY transaction_id"
    counts = dict(database.query(sql))
    wanted = {key: calls * SAMPLES_PER_METER_VALUES for key, calls in load.ledger.transactions.items()}
    missing = sum(max(0, count - counts.get(key, 0)) for key, count in wanted.items())
    may_exceed = load.ledger.unanswered_by(METER) * SAMPLES_PER_METER_VALUES
    return RowCheck("meter readings", sum(wanted.values()), sum(counts.values()), missing, may_exceed)


def _messages(database: Database, load: Load) -> RowCheck:
    stored = _column(
        database, "SELECT message_id FROM ocpp_message WHERE direction = 'in' AND answer IS NOT NULL"
    )
    acknowledged = set(load.acknowledged_ids())
    unanswered = len(load.ledger.unanswered)
    return RowCheck("messages", len(acknowledged), len(stored), _missing(acknowledged, stored), unanswered)


def _column(database: Database, sql: str) -> list[int | str]:
    return [row[0] for row in database.query(sql)]


def _missing(acknowledged: Iterable[int | str], stored: Iterable[int | str]) -> int:
    return len(set(acknowledged).difference(stored))
