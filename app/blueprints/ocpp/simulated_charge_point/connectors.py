"""What a station is made of: connectors, the charges and reservations on them, the jobs it does."""

import asyncio
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from ocpp.v16 import call
from ocpp.v16.enums import ChargePointStatus, Reason

from .clock import timestamp
from .errors import UNANSWERED, UNDELIVERED, Trouble
from .smart_charging import Profile


@dataclass
class Reservation:
    """One connector, kept for one id tag (OCPP 1.6, 5.13)."""

    reservation_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime


@dataclass(frozen=True)
class Unsettled:
    """A transaction whose end the central system has not been told, as far as the charge point knows it.

    ``start``: the fields of its StartTransaction, where the answer is not known. Told again, it opens the
    same transaction, or the one that it could not open before.
    """

    connector_id: int
    transaction_id: int | None
    meter_wh: int
    ended_at: str
    reason: str
    start: dict[str, Any] | None = None

    @property
    def trouble(self) -> Trouble:
        """What is wrong when it stays so."""
        if self.transaction_id is None:
            return Trouble(UNANSWERED, connector_id=self.connector_id)
        return Trouble(UNDELIVERED, transaction_id=self.transaction_id)


@dataclass
class Job:
    """Work that takes a while; ``kind`` is firmware, signed_firmware, diagnostics or log."""

    kind: str
    request_id: int | None = None
    begins_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: str = "Idle"
    task: asyncio.Task[None] | None = None


@dataclass
class Charge:
    """One car on one connector, from the presented card to the stopped transaction."""

    id_tag: str
    target_wh: float
    duration_s: float
    meter_start_wh: int
    authorize: bool
    reservation_id: int | None = None
    profile: Profile | None = None
    opening: call.StartTransaction | None = None
    transaction_id: int | None = None
    started_at: datetime | None = None
    reason: Reason = Reason.local
    refusal: str | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    ended_at: str | None = None
    _clock_s: float | None = None
    _final_wh: int | None = None

    def start_energy(self) -> None:
        """Close the contactor: from here the meter runs."""
        self.started_at, self._clock_s = datetime.now(UTC), monotonic()

    def stop_energy(self) -> None:
        """Open the contactor: the meter stands, however long its last reading takes to arrive."""
        self._final_wh, self.ended_at = self.energy_wh, timestamp()

    @property
    def left_s(self) -> float:
        """Seconds until the car is full."""
        return (
            self.duration_s - (monotonic() - self._clock_s) if self._clock_s is not None else self.duration_s
        )

    @property
    def progress(self) -> float:
        """0 at the start, 1 when the car is full."""
        return 1.0 if self.duration_s <= 0 else min(1.0, 1 - self.left_s / self.duration_s)

    @property
    def energy_wh(self) -> int:
        """Delivered so far."""
        return self.energy_in(0)

    def energy_in(self, seconds: float) -> int:
        """What will have been delivered then, if nobody ends the charge before; one that opens begins now."""
        if self._final_wh is not None:
            return self._final_wh
        if self._clock_s is None and not (self.opening and seconds):
            return 0
        ahead = seconds / self.duration_s if self.duration_s > 0 else 0.0
        return round(self.target_wh * min(1.0, self.progress + ahead))

    @property
    def power_w(self) -> float:
        """What flows now."""
        is_flowing = self._clock_s is not None and self._final_wh is None
        return self.target_wh * 3600 / self.duration_s if is_flowing and self.duration_s else 0.0

    def end(self, reason: Reason) -> None:
        """Ask the charge to end; the first reason counts."""
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()


@dataclass
class Connector:
    """An outlet, or with number 0 the whole charge point."""

    number: int
    status: ChargePointStatus = ChargePointStatus.available
    operative: bool = True
    meter_wh: int = 0
    charge: Charge | None = None
    reservation: Reservation | None = None

    @property
    def resting_status(self) -> ChargePointStatus:
        """What it shows while nobody charges."""
        if not self.operative:
            return ChargePointStatus.unavailable
        return ChargePointStatus.reserved if self.reservation else ChargePointStatus.available

    @property
    def reading_wh(self) -> int:
        """The meter's register now."""
        return self.reading_in(0)

    def reading_in(self, seconds: float) -> int:
        """The meter's register then."""
        if self.charge is None:
            return self.meter_wh
        return self.charge.meter_start_wh + self.charge.energy_in(seconds)

    def unsettled_in(self, seconds: float) -> Unsettled | None:
        """What will be left to tell if the power fails then."""
        charge = self.charge
        if charge is None or charge.opening is None:
            return None
        reason = charge.reason if charge.ended_at else Reason.power_loss
        return Unsettled(
            connector_id=self.number,
            transaction_id=charge.transaction_id,
            meter_wh=self.reading_in(seconds),
            ended_at=charge.ended_at or timestamp(seconds),
            reason=str(reason),
            start=asdict(charge.opening) if charge.transaction_id is None else None,
        )
