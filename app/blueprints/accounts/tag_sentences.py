"""What is said of a file of tags, in the language of whoever reads it.

The worker, which checks files, does not know that language: it writes down a kind and a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask_babel import format_decimal, gettext

# Sentences quote what a file holds no further than this.
LONGEST_QUOTE = 100

_Sentence = Callable[[str], str]


def _number(digits: str) -> str:
    return str(format_decimal(int(digits)))


REASONS: dict[str, _Sentence] = {
    # One line
    "rfid": lambda _: gettext("RFID must be 8, 14 or 20 hexadecimal digits"),
    "zeros": lambda _: gettext(
        "RFID must be 8, 14 or 20 hexadecimal digits: has a spreadsheet dropped leading zeros?"
    ),
    "number": lambda value: gettext(
        "the cell holds the number %(value)s, and numbers lose leading zeros and digits:"
        " make the column text, and type it again",
        value=value,
    ),
    "date": lambda value: gettext(
        "the cell holds the date %(value)s: make the column text, and type it again", value=value
    ),
    "formula": lambda value: gettext(
        "the cell holds the formula %(value)s: put its value there instead", value=value
    ),
    "merged": lambda value: gettext("the cells %(value)s are merged: split them", value=value),
    "user": lambda value: gettext("there is no user %(name)s", name=value),
    "allowed": lambda _: gettext("allowed must be True or False"),
    "columns": lambda value: gettext("there must be %(count)d columns", count=int(value)),
    "twice": lambda value: gettext("the same tag as in line %(number)d", number=int(value)),
    # The file as a whole
    "header": lambda value: gettext("the header must be %(header)s", header=value),
    "csv": lambda _: gettext("this is not CSV"),
    "too many": lambda value: gettext(
        "there are more than %(count)s lines: split the file", count=_number(value)
    ),
    "too large": lambda _: gettext("this takes too much memory or time to read: split the file"),
    "workbook": lambda _: gettext(
        "this is not an XLSX file that can be read: save it again with a spreadsheet program"
    ),
    "old workbook": lambda _: gettext(
        "this is an old Excel file or has a password: save it as XLSX, without a password"
    ),
    "utf-16": lambda _: gettext("this is UTF-16 text: save it as CSV UTF-8"),
    "binary": lambda _: gettext("this is neither CSV nor XLSX"),
    "sheets": lambda value: gettext(
        "several sheets have tags (%(names)s): leave only one of them in the file", names=value
    ),
}  # fmt: skip

NOTES: dict[str, _Sentence] = {
    "windows": lambda _: gettext(
        "The text is not UTF-8, so it was read as Windows-1252: see that names with accents are right."
    ),
    "sheet": lambda value: gettext(
        "Only the sheet %(name)s was read; the others have no tags.", name=value
    ),
    "stale": lambda value: gettext(
        "Since the file was checked, others have changed %(count)s of the tags or users in it.",
        count=_number(value),
    ),
    "locked": lambda value: gettext(
        "%(name)s, who confirmed it, may no longer do so: somebody else has to.", name=value
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with one line of a file; line 0 is the file as a whole."""

    number: int
    kind: str
    value: str = ""

    @property
    def reason(self) -> str:
        """A sentence."""
        return REASONS[self.kind](self.value[:LONGEST_QUOTE])

    def __str__(self) -> str:
        if not self.number:
            return self.reason
        return gettext("line %(number)d: %(reason)s", number=self.number, reason=self.reason)


def note(kind: str, value: str) -> str:
    """A note as a sentence."""
    return NOTES[kind](value[:LONGEST_QUOTE])
