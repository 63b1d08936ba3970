"""What the charging rules work on: plain rows, loaded and stored by ``Work`` for many chargers at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class ChargerRow:
    """The columns of a charger that the rules ask for."""

    id: int
    charger_id: str
    require_rfid: bool
    registration_status: str
    last_seen: datetime | None


@dataclass(slots=True)
class TagRow:
    """A known tag with its owner's account."""

    id_tag: str
    allowed: bool
    expires_at: datetime | None
    parent: str | None
    user_id: int | None
    user_active: bool
    account_id: int | None
    service_account: bool
    balance_wh: int

    def may_charge(self) -> bool:
        """As ``Account.may_charge``."""
        return self.account_id is not None and (self.service_account or self.balance_wh > 0)


@dataclass(slots=True)
class TransactionRow:
    """A transaction, as the rules change it; see ``models.Transaction``."""

    id: int
    charger_id: int
    connector_id: int
    id_tag: str
    account_id: int | None
    meter_start_wh: int
    meter_last_wh: int | None
    meter_stop_wh: int | None
    energy_wh: int
    started_at: datetime
    stopped_at: datetime | None
    stop_received_at: datetime | None
    stop_reason: str
    stop_id_tag: str
    refused: str
    flags: str

    @property
    def running(self) -> bool:
        """Not stopped yet (a refused one may run all the same)."""
        return self.stopped_at is None

    @property
    def last_wh(self) -> int:
        """The newest that is known of its meter."""
        return self.meter_start_wh if self.meter_last_wh is None else self.meter_last_wh

    def flag(self, word: str) -> None:
        """Note something odd, once."""
        if word not in self.flags.split():
            self.flags = f"{self.flags} {word}".strip()
