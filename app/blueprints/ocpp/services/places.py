"""Where a long list goes on: a place is told as text, and costs the same however far down it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(r"([0-9]{1,9})\.(-?[0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True)
class Place:
    """Just behind a row: its charger's key, its time, its id. A list uses of them what it is ordered by."""

    charger: int
    at: datetime
    id: int

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Read what ``str`` has written; None when it is something else."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        try:
            at = _START + timedelta(microseconds=int(found[2]))
        except OverflowError:
            return None
        return cls(int(found[1]), at, int(found[3]))

    def __str__(self) -> str:
        return f"{self.charger}.{(self.at - _START) // timedelta(microseconds=1)}.{self.id}"
