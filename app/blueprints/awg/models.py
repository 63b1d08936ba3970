"""Cables and conduits, as the tables have them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.blueprints.awg.tables import (
    CONDUITS,
    MATERIALS,
    MOST_LINES,
    SIZES,
    TRADE_SIZES,
    fill_column,
    size_name,
)
from app.db import Base


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class CableSize(Base):
    """Conductors of one size and material, and what they carry: one to a phase, or several together."""

    __tablename__ = "cable_size"
    __table_args__ = (
        UniqueConstraint("awg_size", "material", "line_num"),
        CheckConstraint(_one_of("awg_size", SIZES), name="awg_size"),
        CheckConstraint(_one_of("material", MATERIALS), name="material"),
        CheckConstraint(f"line_num BETWEEN 1 AND {MOST_LINES}", name="line_num"),
        CheckConstraint("amps_60c > 0 AND amps_75c > 0 AND amps_90c > 0", name="amps"),
        CheckConstraint("area_mm2 > 0 AND k_ohm_km > 0", name="measures"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # 14 … 1, and -1 … -4 for 1/0 … 4/0.
    awg_size: Mapped[str] = mapped_column(String(5))
    # Copper or aluminium.
    material: Mapped[str] = mapped_column(String(2))
    # How many conductors a phase has. The measures are of one of them, the ampacity is of all together.
    line_num: Mapped[int] = mapped_column(default=1)
    dia_in: Mapped[float]
    dia_mm: Mapped[float]
    # Thousands of circular mils.
    area_kcmil: Mapped[float]
    area_mm2: Mapped[float]
    # Ohms (not thousands of them, whatever the names say) per 1000 m, and per 1000 ft, at 20 °C.
    k_ohm_km: Mapped[float]
    k_ohm_kft: Mapped[float]
    # What they carry while the insulation stays below so many degrees Celsius.
    amps_60c: Mapped[int]
    amps_75c: Mapped[int]
    amps_90c: Mapped[int]

    @property
    def size_name(self) -> str:
        """The size as people write it."""
        return size_name(self.awg_size)

    @property
    def thickness(self) -> int:
        """Grows with the size, so that sizes sort."""
        return -int(self.awg_size)

    def amps(self, temperature: int) -> int:
        """What they carry, by the column for 60, 75 or 90 °C."""
        return {60: self.amps_60c, 75: self.amps_75c, 90: self.amps_90c}[temperature]

    def __str__(self) -> str:
        return f"{self.line_num} × {self.size_name} AWG {self.material}"


class ConduitFill(Base):
    """A conduit of one kind and trade size, and how many conductors of each size fit; empty for none."""

    __tablename__ = "conduit_fill"
    __table_args__ = (
        UniqueConstraint("trade_size", "conduit"),
        CheckConstraint(_one_of("trade_size", TRADE_SIZES), name="trade_size"),
        CheckConstraint(_one_of("conduit", CONDUITS), name="conduit"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # In inches, such as 1 1/4: the name of a size, no measure.
    trade_size: Mapped[str] = mapped_column(String(10))
    conduit: Mapped[str] = mapped_column(String(10))
    awg_14: Mapped[int | None]
    awg_12: Mapped[int | None]
    awg_10: Mapped[int | None]
    awg_8: Mapped[int | None]
    awg_6: Mapped[int | None]
    awg_4: Mapped[int | None]
    awg_3: Mapped[int | None]
    awg_2: Mapped[int | None]
    awg_1: Mapped[int | None]
    # 1/0 … 4/0.
    awg_0: Mapped[int | None]
    awg_00: Mapped[int | None]
    awg_000: Mapped[int | None]
    awg_0000: Mapped[int | None]

    def holds(self, awg_size: str) -> int | None:
        """How many conductors of a size fit."""
        found: int | None = getattr(self, fill_column(awg_size))
        return found

    def __str__(self) -> str:
        return f"{self.conduit.upper()} {self.trade_size}"
