"""Charge points made of software: what staff want of each, and how it does."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Numeric, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.at_rest import EncryptedText
from app.blueprints.ocpp.simulated_charge_point.config import SimulatorConfig, charge_point_id
from app.blueprints.ocpp.simulated_charge_point.state import WAITING, SimulatorState
from app.db import Base, UTCDateTime
from app.leases import Leased, is_free

RUNNING, STOPPED = "running", "stopped"
STATES = (WAITING, *(str(state) for state in SimulatorState))
STATES_IN_SQL = ", ".join(f"'{state}'" for state in STATES)
LONGEST_S = 7 * 86_400
MOST_CONNECTORS = 20
# What one field of the form holds; whoever wants more means something else.
MOST_KWH = 10_000


class Simulator(Leased, Base):
    """What a simulator needs to connect (see ``simulator.SimulatorConfig``), and what has become of it.

    Staff say what they want with ``wanted`` and ``run``; the worker that holds the lease tells the rest, from
    ``state`` on.
    """

    __tablename__ = "simulator"
    __table_args__ = (
        CheckConstraint("ws_port BETWEEN 1 AND 65535", name="ws_port"),
        CheckConstraint("wanted IN ('running', 'stopped')", name="wanted"),
        CheckConstraint(f"state IN ({STATES_IN_SQL})", name="state"),
        CheckConstraint("duration_s > 0 AND interval_s > 0 AND pre_charge_delay_s >= 0", name="times"),
        CheckConstraint("power_kw > 0", name="power_kw"),
        CheckConstraint(
            "(kwh_min IS NULL) = (kwh_max IS NULL) AND kwh_min >= 0 AND kwh_min <= kwh_max", name="kwh"
        ),
        CheckConstraint(f"connectors BETWEEN 1 AND {MOST_CONNECTORS}", name="connectors"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    cp_path: Mapped[str] = mapped_column(String(255))
    host: Mapped[str] = mapped_column(String(253), default="127.0.0.1")
    ws_port: Mapped[int] = mapped_column(default=8000)
    rfid: Mapped[str] = mapped_column(String(20), default="FFFFFFFF")
    repeat: Mapped[bool] = mapped_column(default=False)
    username: Mapped[str] = mapped_column(String(100), default="")
    # None when it was encrypted under another key.
    password: Mapped[str | None] = mapped_column(EncryptedText, default="", nullable=False)
    # Off: it charges only when it is told to.
    autostart: Mapped[bool] = mapped_column(default=True)
    connectors: Mapped[int] = mapped_column(default=1)
    duration_s: Mapped[int] = mapped_column(default=600)
    interval_s: Mapped[int] = mapped_column(default=5)
    pre_charge_delay_s: Mapped[int] = mapped_column(default=0)
    power_kw: Mapped[Decimal] = mapped_column(Numeric(6, 2), default=Decimal(11))
    # Energy of a charge, whatever power that takes; empty: it follows from power and duration.
    kwh_min: Mapped[Decimal | None] = mapped_column(Numeric(7, 2))
    kwh_max: Mapped[Decimal | None] = mapped_column(Numeric(7, 2))

    wanted: Mapped[str] = mapped_column(String(10), default=STOPPED)
    # Grows with every start: a worker that runs an older one ends it.
    run: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(12), default="stopped")
    since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A sentence of ``simulated_charge_point.errors``, with the facts that it names.
    last_error: Mapped[str] = mapped_column(Text, default="")
    last_error_facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    last_error_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    transaction_id: Mapped[int | None]
    # Of this run.
    energy_wh: Mapped[int] = mapped_column(BigInteger, default=0)
    charges: Mapped[int] = mapped_column(default=0)
    # What a charge point knows after a power cut: ``ChargePointSimulator.memory``.
    memory: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    @property
    def charger_id(self) -> str:
        """The id that it connects with."""
        return charge_point_id(self.cp_path)

    @property
    def is_wanted(self) -> bool:
        """Whether staff want it to run."""
        return self.wanted == RUNNING

    def is_held(self, now: datetime) -> bool:
        """Whether a worker has it in hand."""
        return not is_free(self.leased_until, now)

    def config(self) -> SimulatorConfig:
        """What the simulator is told. Raises ValueError for what no charge point can do."""
        return SimulatorConfig(
            host=self.host,
            ws_port=self.ws_port,
            rfid=self.rfid,
            cp_path=self.cp_path,
            duration=self.duration_s,
            kwh_min=float(self.kwh_min or 0),
            kwh_max=float(self.kwh_max or 0),
            power_kw=float(self.power_kw) if self.kwh_min is None else None,
            interval=self.interval_s,
            pre_charge_delay=self.pre_charge_delay_s,
            repeat=self.repeat,
            username=self.username or None,
            password=self.password or None,
            connectors=self.connectors,
            autostart=self.autostart,
        )

    def __str__(self) -> str:
        return self.name
