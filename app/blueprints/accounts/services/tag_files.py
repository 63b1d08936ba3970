"""Files of tags, CSV and XLSX: what they ask for, and which lines cannot be read. Knows no database."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from app.blueprints.accounts.errors import BadFile
from app.blueprints.accounts.services import workbooks
from app.blueprints.accounts.services.tag_lines import HEADER, Cell, TagLine, read_line, trimmed
from app.blueprints.accounts.tag_sentences import BadLine

Line = tuple[int, Sequence[Cell]]
# Something that staff should know of the whole file: a kind of ``tag_sentences.NOTES``, and its value.
Note = tuple[str, str]
# Told how many lines there are (0: not known yet) and how many have been read.
Listener = Callable[[int, int], None]

# Lines between two words to the listener.
LINES_BETWEEN_WORDS = 500
# Control characters that no text has.
_BINARY = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_OTHER_HEADER = re.compile(r'\s*"?rfid"? *([;\t]) *"?user"? *\1 *"?allowed"?', re.IGNORECASE)
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read_upload(
    upload: bytes, most: int, notes: list[Note], tell: Listener = lambda _total, _done: None
) -> Iterator[TagLine | BadLine]:
    """Read a file as browsers send it; ``most``: lines that it may have."""
    try:
        lines, total = _opened(upload, most, notes)
        for done, found in enumerate(_read(lines), start=1):
            if done > most:
                raise BadFile([BadLine(0, "too many", str(most))])
            if done % LINES_BETWEEN_WORDS == 0:
                tell(total, done)
            yield found
    except BadFile as error:
        yield from error.lines


def read_csv(lines: Iterable[str]) -> Iterator[TagLine | BadLine]:
    """Read CSV as programs write it: UTF-8 and commas."""
    try:
        yield from _read(csv_lines(lines))
    except BadFile as error:
        yield from error.lines


def _opened(upload: bytes, most: int, notes: list[Note]) -> tuple[Iterator[Line | BadLine], int]:
    """The lines of a file, and about how many there are. Raises ``BadFile``."""
    if upload.startswith(b"PK"):
        book = workbooks.opened(upload, HEADER, most)
        notes += book.notes
        return book.lines, book.total
    if upload.startswith(_OLD_WORKBOOK):
        raise BadFile([BadLine(0, "old workbook")])
    text = _decoded(upload, notes)
    return csv_lines(io.StringIO(text, newline=""), _delimiter(text)), text.count("\n")


def _decoded(upload: bytes, notes: list[Note]) -> str:
    """The text of a CSV file. Raises ``BadFile``.

    What is not valid UTF-8 was written by a program that uses the system's own encoding: in America and
    Western Europe Windows-1252. A name that another encoding would spell differently names no user.
    """
    if upload.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile([BadLine(0, "utf-16")])
    try:
        return upload.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = upload.decode("cp1252")
    except UnicodeDecodeError:
        raise BadFile([BadLine(0, "binary")]) from None
    if _BINARY.search(text):
        raise BadFile([BadLine(0, "binary")])
    notes.append(("windows", ""))
    return text


def _delimiter(text: str) -> str:
    """What stands between the names of the header: Excel takes the system's list separator, or a tab."""
    names = _OTHER_HEADER.match(text[:1000])
    return names[1] if names else ","


def csv_lines(lines: Iterable[str], delimiter: str = ",") -> Iterator[Line]:
    """Line number and cells of each line that has any, after the header. Raises ``BadFile``."""
    reader = csv.reader(lines, delimiter=delimiter)
    header: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is not None:
                yield reader.line_num, row
                continue
            header = [name.removeprefix("\ufeff").strip().lower() for name in trimmed(row)]
            if header != HEADER:
                break
    except csv.Error as error:
        raise BadFile([BadLine(reader.line_num, "csv")]) from error
    if header != HEADER:
        raise BadFile([BadLine(max(reader.line_num, 1), "header", ",".join(HEADER))])


def _read(lines: Iterable[Line | BadLine]) -> Iterator[TagLine | BadLine]:
    """What each line says; a tag is named once."""
    first_seen: dict[str, int] = {}
    for line in lines:
        found = line if isinstance(line, BadLine) else read_line(*line)
        if isinstance(found, TagLine):
            earlier = first_seen.setdefault(found.rfid, found.number)
            if earlier != found.number:
                found = BadLine(found.number, "twice", str(earlier))
        yield found
