"""Vehicle identification numbers: what they are made of (ISO 3779), and their check digit."""

from __future__ import annotations

import re

from app.blueprints.accounts.errors import BadVin

_FORM = re.compile(r"[0-9A-HJ-NPR-Z]{17}")
# 49 CFR 565.15 (c): what each letter counts, and each position; position 9 is the check digit itself.
_LETTERS = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def checked(text: str) -> str:
    """The number, upper-cased. Raises ``BadVin``."""
    vin = text.strip().upper()
    if not _FORM.fullmatch(vin):
        raise BadVin
    return vin


def has_check_digit(vin: str) -> bool:
    """Whether position 9 is what the others add up to. North America requires it; Europe does not."""
    total = sum(int(_LETTERS.get(sign, sign)) * weight for sign, weight in zip(vin, _WEIGHTS, strict=True))
    return vin[8] == "0123456789X"[total % 11]
