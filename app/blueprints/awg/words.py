"""What pages call things, and how they write numbers."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import format_decimal, lazy_gettext

from app.blueprints.awg import forms

MATERIALS = {"cu": lazy_gettext("Copper"), "al": lazy_gettext("Aluminium")}
CONDUITS = {
    "emt": lazy_gettext("EMT: electrical metallic tubing"),
    "imc": lazy_gettext("IMC: intermediate metal conduit"),
    "rmc": lazy_gettext("RMC: rigid metal conduit"),
    "fmc": lazy_gettext("FMC: flexible metal conduit"),
}
PHASES = {
    "1": lazy_gettext("1: a line and neutral"),
    "2": lazy_gettext("2: two lines"),
    "3": lazy_gettext("3: three lines"),
}
TEMPERATURES = {
    "": lazy_gettext("By the current"),
    "60": "60 °C",
    "75": "75 °C",
    "90": "90 °C",
}


def number(value: float, digits: int = 3) -> str:
    """With so many significant digits, as the reader writes numbers."""
    rounded = float(f"{value:.{digits}g}")
    return str(format_decimal(rounded, format="#,##0.######"))


def fixed(value: float, decimals: int = 1) -> str:
    """With so many decimals, as the reader writes numbers."""
    return str(format_decimal(value, format=f"#,##0.{'0' * decimals}"))


def choices(name: str) -> list[tuple[str, str]]:
    """What a field of the calculator offers: value and word."""
    called: Mapping[str, object] = {
        "phases": PHASES,
        "material": MATERIALS,
        "temperature": TEMPERATURES,
    }.get(name, {})
    return [(value, str(called.get(value, value))) for value in forms.CHOICES[name][0]]
