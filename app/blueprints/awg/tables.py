"""The tables, computed from the figures that they follow from (NEC; NOM-001-SEDE carries the same).

Nothing here knows a database: the migration that fills it, and the command that puts it right, ask this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# As they are stored: "-1" is 1/0, "-4" is 4/0. From thin to thick.
SIZES = ("14", "12", "10", "8", "6", "4", "3", "2", "1", "-1", "-2", "-3", "-4")
# From 1/0 on, two or three conductors may share a phase (NEC 310.10(G)).
PARALLEL = ("-1", "-2", "-3", "-4")
MOST_LINES = 3
MATERIALS = ("cu", "al")
CONDUITS = ("emt", "imc", "rmc", "fmc")
TRADE_SIZES = ("1/2", "3/4", "1", "1 1/4", "1 1/2", "2", "2 1/2", "3", "3 1/2", "4")

MM_PER_INCH = 25.4
METRES_PER_FOOT = 0.3048
# Ω·m at 20 °C.
RESISTIVITY = {"cu": 1.7241e-8, "al": 2.8264e-8}
# Material → size → A at 60, 75 and 90 °C (NEC 310.16). Nobody makes 14 in aluminium.
AMPACITY = {
    "cu": {
        "14": (15, 20, 25), "12": (20, 25, 30), "10": (30, 35, 40), "8": (40, 50, 55), "6": (55, 65, 75),
        "4": (70, 85, 95), "3": (85, 100, 115), "2": (95, 115, 130), "1": (110, 130, 145),
        "-1": (125, 150, 170), "-2": (145, 175, 195), "-3": (165, 200, 225), "-4": (195, 230, 260),
    },
    "al": {
        "12": (15, 20, 25), "10": (25, 30, 35), "8": (35, 40, 45), "6": (40, 50, 55), "4": (55, 65, 75),
        "3": (65, 75, 85), "2": (75, 90, 100), "1": (85, 100, 115), "-1": (100, 120, 135),
        "-2": (115, 135, 150), "-3": (130, 155, 175), "-4": (150, 180, 205),
    },
}  # fmt: skip
# What so many conductors of a phase carry together, in tenths of one: bundled, they warm each other.
TOGETHER = {1: 10, 2: 16, 3: 21}
# THHN/THWN conductors, with insulation, in 1/10000 in² (NEC chapter 9, table 5).
CONDUCTOR_AREA = dict(
    zip(SIZES, (97, 133, 211, 366, 507, 824, 973, 1158, 1562, 1855, 2223, 2679, 3237), strict=True)
)
# The inside of a conduit, in 1/1000 in², in the order of TRADE_SIZES (NEC chapter 9, table 4).
CONDUIT_AREA = {
    "emt": (304, 533, 864, 1496, 2036, 3356, 5858, 8846, 11545, 14753),
    "imc": (342, 586, 959, 1647, 2225, 3630, 5135, 7922, 10584, 13631),
    "rmc": (314, 549, 887, 1526, 2071, 3408, 4866, 7499, 10010, 12882),
    "fmc": (317, 533, 817, 1277, 1858, 3269, 4909, 7069, 9621, 12566),
}
# How much of a conduit may be filled, in per cent, by at least so many conductors (NEC chapter 9, table 1).
FILL = ((3, 40), (2, 31), (1, 53))


def size_name(size: str) -> str:
    """A size as people write it: ``1/0``."""
    return f"{size[1:]}/0" if size.startswith("-") else size


def fill_column(size: str) -> str:
    """The column of a conduit's row that is for a size: ``awg_14``, and ``awg_00`` for 2/0."""
    return f"awg_{'0' * int(size[1:]) if size.startswith('-') else size}"


def diameter_in(size: str) -> float:
    """A bare conductor's diameter, in inches; 1/0 … 4/0 are the gauges 0 … -3."""
    gauge = int(size) + 1 if size.startswith("-") else int(size)
    return 0.005 * 92 ** ((36 - gauge) / 39)


def cables() -> Iterator[dict[str, Any]]:
    """Every row of the table of cables, thin ones first."""
    for material in MATERIALS:
        for size, amps in AMPACITY[material].items():
            for lines in range(1, MOST_LINES + 1) if size in PARALLEL else (1,):
                yield {"awg_size": size, "material": material, "line_num": lines} | _cable(
                    size, material, [each * TOGETHER[lines] // 10 for each in amps]
                )


def _cable(size: str, material: str, amps: list[int]) -> dict[str, Any]:
    dia_in = diameter_in(size)
    area_mm2 = 3.141592653589793 / 4 * (dia_in * MM_PER_INCH) ** 2
    ohm_km = RESISTIVITY[material] * 1000 / (area_mm2 * 1e-6)
    measures = {
        "dia_in": dia_in,
        "dia_mm": dia_in * MM_PER_INCH,
        "area_kcmil": (1000 * dia_in) ** 2 / 1000,
        "area_mm2": area_mm2,
        "k_ohm_km": ohm_km,
        "k_ohm_kft": ohm_km * METRES_PER_FOOT,
    }
    rounded = {name: float(f"{measure:.6g}") for name, measure in measures.items()}
    return rounded | dict(zip(("amps_60c", "amps_75c", "amps_90c"), amps, strict=True))


def conduits() -> Iterator[dict[str, Any]]:
    """Every row of the table of conduits: how many conductors of each size fit; None where none does."""
    for conduit, areas in CONDUIT_AREA.items():
        for trade_size, area in zip(TRADE_SIZES, areas, strict=True):
            row = {fill_column(size): _most(area, CONDUCTOR_AREA[size]) for size in SIZES}
            yield {"trade_size": trade_size, "conduit": conduit} | row


def _most(conduit_area: int, conductor_area: int) -> int | None:
    """How many conductors fit. A quotient whose decimals are .8 or more rounds up (table 1, note 7)."""
    for at_least, per_cent in FILL:
        # In whole numbers: per_cent/100 * (area/1000) / (conductor/10000), plus the .2 that rounds .8 up.
        fit = (conduit_area * per_cent * 10 + conductor_area * 20) // (conductor_area * 100)
        if fit >= at_least:
            return fit if at_least == FILL[0][0] else at_least
    return None
