"""What a question to the calculator must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from flask_babel import gettext

from app.blueprints.awg.errors import BadQuestion
from app.blueprints.awg.tables import MATERIALS, MOST_LINES

# Field → its bounds, and what it is when it is left out.
NUMBERS: dict[str, tuple[Decimal, Decimal, Decimal | None]] = {
    "amps": (Decimal("0.1"), Decimal(10_000), None),
    "volts": (Decimal(1), Decimal(2_000), None),
    "meters": (Decimal("0.1"), Decimal(100_000), None),
    "max_drop": (Decimal("0.1"), Decimal(50), Decimal(3)),
}
CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "phases": (("1", "2", "3"), "2"),
    "material": (MATERIALS, "cu"),
    "temperature": (("", "60", "75", "90"), ""),
    "max_lines": (tuple(str(lines) for lines in range(1, MOST_LINES + 1)), "1"),
    "extra": (tuple(str(count) for count in range(10)), "1"),
}
# What the fields of an empty form hold.
DEFAULTS = {name: choice for name, (_, choice) in CHOICES.items()} | {"max_drop": "3"}
# Up to this current the 60 °C column applies, beyond it that of 75 °C (NEC 110.14(C)).
COOL_UP_TO_A = 100


@dataclass(frozen=True)
class Question:
    """A load, and the way to it."""

    amps: Decimal
    # Between the conductors that carry the load.
    volts: Decimal
    # One way.
    meters: Decimal
    phases: int
    material: str
    # Of the insulation, in °C: the column of the table; None lets the current decide.
    temperature: int | None
    # Conductors that may share a phase.
    max_lines: int
    # In per cent.
    max_drop: Decimal
    # Conductors in the conduit beside those that carry the load: ground, neutral.
    extra: int

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Question:
        """Read a question. Raises ``BadQuestion``, which names every field that is wrong."""
        problems: dict[str, str] = {}
        found: dict[str, Any] = {}
        for name in (*NUMBERS, *CHOICES):
            read = _number if name in NUMBERS else _choice
            try:
                found[name] = read(name, given.get(name, "").strip())
            except ValueError as problem:
                problems[name] = str(problem)
        if problems:
            raise BadQuestion(problems)
        return cls(**found)

    @property
    def column(self) -> int:
        """The temperature whose column applies."""
        return self.temperature or (60 if self.amps <= COOL_UP_TO_A else 75)

    @property
    def loaded(self) -> int:
        """How many conductors carry the load, one to a phase: the way there and back, or three phases."""
        return 3 if self.phases == 3 else 2

    def as_json(self) -> dict[str, Any]:
        """As it was understood."""
        return {
            name: float(each) if isinstance(each, Decimal) else each for name, each in asdict(self).items()
        }


def _number(name: str, text: str) -> Decimal:
    low, high, default = NUMBERS[name]
    if not text and default is not None:
        return default
    if not text:
        raise ValueError(gettext("This is needed."))
    if not re.search(r",[0-9]{3}$", text):  # a comma of decimals, not one of thousands
        text = text.replace(",", ".")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or not low <= Decimal(text) <= high:
        raise ValueError(gettext("This must be a number from %(low)s to %(high)s.", low=low, high=high))
    return Decimal(text)


def _choice(name: str, text: str) -> int | str | None:
    choices, default = CHOICES[name]
    text = text or default
    if text not in choices:
        raise ValueError(
            gettext("This must be one of: %(choices)s.", choices=", ".join(filter(None, choices)))
        )
    if name == "material":
        return text
    return int(text) if text else None
