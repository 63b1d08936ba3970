"""Charge points made of software, set up by staff."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Simulator(Base):
    """What a simulator needs to connect; see ``simulator.SimulatorConfig``."""

    __tablename__ = "simulator"
    __table_args__ = (CheckConstraint("ws_port BETWEEN 1 AND 65535", name="ws_port"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    cp_path: Mapped[str] = mapped_column(String(255))
    host: Mapped[str] = mapped_column(String(253), default="127.0.0.1")
    ws_port: Mapped[int] = mapped_column(default=8000)
    rfid: Mapped[str] = mapped_column(String(20), default="FFFFFFFF")
    repeat: Mapped[bool] = mapped_column(default=False)
    username: Mapped[str] = mapped_column(String(100), default="")
    password: Mapped[str] = mapped_column(String(100), default="")

    def __str__(self) -> str:
        return self.name
