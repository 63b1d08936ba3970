"""What one line of a file of tags must hold: ``rfid,user,allowed``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from app.blueprints.accounts.errors import BadRfid
from app.blueprints.accounts.services.users import USERNAME
from app.blueprints.accounts.tag_sentences import BadLine
from app.spreadsheets import unshielded

HEADER = ["rfid", "user", "allowed"]
# 4-, 7- and 10-byte card ids.
CARD = re.compile(r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}")
# What a column of ids holds, and OCPP calls an id tag.
LONGEST_RFID = 20
# Excel writes the words of its own language.
ALLOWED = {"true": True, "false": False, "verdadero": True, "falso": False}
# What becomes of 12345E10 in a spreadsheet.
_POWER_OF_TEN = re.compile(r"\d+([.,]\d+)?E\+?\d+", re.IGNORECASE)
_FEW_DIGITS = re.compile(r"[0-9]{4,19}")


class Spoiled(NamedTuple):
    """A cell that a spreadsheet holds as something else than text: what as, and what it shows."""

    kind: str
    value: str


Cell = str | bool | Spoiled | None


class TagLine(NamedTuple):
    """One tag as a file has it."""

    number: int
    rfid: str
    username: str
    allowed: bool

    @property
    def is_card(self) -> bool:
        """Whether the id is a card's; a tag that exists already may have another kind."""
        return CARD.fullmatch(self.rfid) is not None

    def not_a_card(self) -> BadLine:
        """What to say of an id that is neither a card's nor known."""
        if _POWER_OF_TEN.fullmatch(self.rfid):
            return BadLine(self.number, "number", self.rfid)
        return BadLine(self.number, "zeros" if _FEW_DIGITS.fullmatch(self.rfid) else "rfid")


def checked_rfid(text: str) -> str:
    """A card's id, upper-cased. Raises ``BadRfid``."""
    rfid = text.strip().upper()
    if not CARD.fullmatch(rfid):
        raise BadRfid
    return rfid


def read_line(number: int, cells: Sequence[Cell]) -> TagLine | BadLine:
    """One line, or what is wrong with it as far as the line alone can tell."""
    spoiled = next((cell for cell in cells[:2] if isinstance(cell, Spoiled)), None)
    if spoiled is not None:
        return BadLine(number, spoiled.kind, spoiled.value)
    texts = trimmed(cells)
    if len(texts) != len(HEADER):
        return BadLine(number, "columns", str(len(HEADER)))
    rfid = unshielded(texts[0]).upper()
    username = unicodedata.normalize("NFKC", unshielded(texts[1]))
    if username and not USERNAME.fullmatch(username):
        return BadLine(number, "user", username)
    if (allowed := ALLOWED.get(texts[2].lower())) is None:
        return BadLine(number, "allowed")
    if not 0 < len(rfid) <= LONGEST_RFID or not rfid.isprintable():
        return BadLine(number, "rfid")
    return TagLine(number, rfid, username, allowed)


def trimmed(cells: Sequence[Cell]) -> list[str]:
    """The cells as text; spreadsheets add empty ones at the end."""
    texts = [_text(cell) for cell in cells]
    while len(texts) > len(HEADER) and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: Cell) -> str:
    if isinstance(cell, Spoiled):
        return cell.value
    return "" if cell is None else str(cell).strip()
