"""The program that reads one workbook, from standard input, and prints its tags as lines of JSON.

Run as a file, by ``workbooks.py``, with: bytes of memory, seconds of processor time, lines to read at most,
and the names of the header. It imports nothing of ours.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import iterparse

OUT_OF_MEMORY = 3
# More than any sheet needs of which we read all. Zip files say how large their parts are, and are held to it.
UNPACKED = 64 * 2**20
# Rows of a sheet in Excel; nobody counts further over a gap.
ROWS = 1_048_576
# Rows before the header that may be empty.
BLANKS = 1_000
QUOTED = 100


class Refused(Exception):
    """The workbook cannot be imported: which line (0: all of it), why, and a value for the sentence."""

    def __init__(self, line: int, kind: str, value: str = "") -> None:
        super().__init__(line, kind, value)
        self.message = {"line": line, "refused": kind, "value": value}


def main(arguments: Sequence[str]) -> int:
    """Read; return the exit status."""
    memory, cpu_s, most = (int(argument) for argument in arguments[:3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    try:
        read(sys.stdin.buffer, list(arguments[3:]), most)
    except Refused as refusal:
        tell(**refusal.message)
    except MemoryError:
        return OUT_OF_MEMORY
    except BrokenPipeError:  # nobody wants to know any more
        return 0
    except Exception as error:  # whatever a broken file makes of the library
        tell(failure=f"{type(error).__name__}: {error}"[:500])
        return 1
    return 0


def read(file: Any, header: list[str], most: int) -> None:
    """Print the lines of the one sheet that has this header."""
    _check_size(file)
    from openpyxl import load_workbook  # after the limits

    book = load_workbook(file, read_only=True)
    sheet, first = _sheet_of_tags(book, header)
    tell(sheet=sheet.title[:QUOTED], others=len(book.worksheets) > 1, total=_total(sheet, first))
    for count, (number, row) in enumerate(_rows(sheet, len(header) + 1, first + 1)):
        tell(line=number, cells=[_cell(value) for value in row])
        if count == most:
            return
    for reference in _merged(book, sheet):
        _tell_merged(reference, len(header))


def tell(**message: Any) -> None:
    """Print one message."""
    sys.stdout.write(json.dumps(message) + "\n")


def _check_size(file: Any) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if not any(part.filename == "[Content_Types].xml" for part in parts):
            raise Refused(0, "workbook")
        if sum(part.file_size for part in parts) > UNPACKED:
            raise Refused(0, "too large")
    file.seek(0)


def _sheet_of_tags(book: Any, header: list[str]) -> tuple[Any, int]:
    """The sheet, and the number of its row that is the header."""
    found = [(sheet, row) for sheet in book.worksheets if (row := _header_row(sheet, header))]
    if not found:
        raise Refused(1, "header", ",".join(header))
    if len(found) > 1:
        raise Refused(0, "sheets", ", ".join(sheet.title for sheet, _ in found)[:QUOTED])
    return found[0]


def _header_row(sheet: Any, header: list[str]) -> int:
    """The number of the row, 0 when the first row with anything in it is another."""
    for number, row in _rows(sheet, len(header) + 1, 1, BLANKS):
        names = [str(value).strip().lower() if value is not None else "" for value in row]
        return number if names[: len(header)] == header and not any(names[len(header) :]) else 0
    return 0


def _rows(sheet: Any, columns: int, first: int, last: int = ROWS) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Number and values of each row that has any."""
    rows = sheet.iter_rows(min_row=1, max_row=last, max_col=columns, values_only=True)
    for number, row in enumerate(rows, start=1):
        if number >= first and any(value not in (None, "") for value in row):
            yield number, row


def _total(sheet: Any, first: int) -> int:
    """About how many lines there are: programs differ in what they say."""
    return max(0, min(int(sheet.max_row or 0), ROWS) - first)


def _cell(value: Any) -> Any:
    """Text, a truth value or nothing as they are; anything else is named: it may have lost something."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return ["formula", value[:QUOTED]] if value.startswith("=") else value[:1000]
    if isinstance(value, int | float):
        whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
        return ["number", str(int(value) if whole else value)[:QUOTED]]
    if hasattr(value, "text"):  # a formula of several cells
        return ["formula", str(value.text)[:QUOTED]]
    return ["date", str(value)[:QUOTED]]


def _merged(book: Any, sheet: Any) -> Iterator[str]:
    """The merged ranges of a sheet; the library does not tell them when it reads row by row."""
    with book._archive.open(sheet._worksheet_path) as source:
        for _, element in iterparse(source):  # noqa: S314 - within limits, and expat refuses to be blown up
            if element.tag.endswith("}mergeCell"):
                yield element.get("ref", "")
            element.clear()


def _tell_merged(reference: str, columns: int) -> None:
    from openpyxl.utils import range_boundaries

    left, top, *_ = range_boundaries(reference)
    if left is None or left <= columns:
        tell(line=top or 0, merged=reference[:QUOTED])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
