"""Tables as files for spreadsheet programs, made in pieces: the web process holds the chargers' sockets.

A line is a list of texts, numbers and times (naive, of the reader's clock). CSV is streamed. A workbook has
to be whole before its first byte can leave, so it grows in a temporary file. tablib's own writer makes 50,000
rows in one go of two seconds, in which no charger would be answered; what it stands on, openpyxl, takes a row
at a time, and in between others have their turn.
"""

from __future__ import annotations

import csv
import re
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import IO, Any

from gevent import get_hub, monkey
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter

Row = Sequence[Any]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@")
# Excel's format of cells that hold text, also when somebody types digits into them.
_TEXT = "@"
# Seconds of work after which others have their turn.
SLICE_S = 0.003
# How many times as long as that work others have, when they want it.
MOST_PAUSES = 4
# Characters of CSV that leave together.
CSV_PIECE = 65_536
# Each workbook takes a processor for seconds: several at once would leave chargers a small share of it.
_one_at_a_time = threading.BoundedSemaphore(1)


class Turn:
    """One's time on this process, which others want too."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def pass_on(self) -> None:
        """Let others work for as long as this has worked, once that was long enough; longer if they are busy.

        A pause that ends late says that somebody was at work.
        """
        worked_s = time.perf_counter() - self._began
        if worked_s < SLICE_S:
            return
        for _ in range(MOST_PAUSES):
            began = time.perf_counter()
            time.sleep(worked_s)
            self._began = time.perf_counter()
            if self._began - began < 1.2 * worked_s:
                break


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: numbers stay, the others get an apostrophe."""
    return cell if not cell.startswith(_FORMULA) or _NUMBER.fullmatch(cell) else f"'{cell}"


def unshielded(cell: str) -> str:
    """The cell that ``harmless`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def csv_text(header: Row, lines: Iterable[Row]) -> Iterator[str]:
    """CSV of any length, a piece at a time, while the lines are read."""
    buffer, turn = StringIO(newline=""), Turn()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        writer.writerow([_text(cell) for cell in line])
        turn.pass_on()
        if buffer.tell() > CSV_PIECE:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def workbook(title: str, header: Row, lines: Iterable[Row], widths: Sequence[int] = ()) -> IO[bytes]:
    """An XLSX file, to be closed by the caller: then it is gone. ``widths``: of the columns, in characters.

    Text stays text, whatever is typed into its column later, so that no leading zero is lost.
    """
    with _one_at_a_time:
        book = Workbook(write_only=True)
        sheet = book.create_sheet(title)
        _lay_out(sheet, widths)
        sheet.append(list(header))
        turn = Turn()
        for line in lines:
            sheet.append([_cell(sheet, value) for value in line])
            turn.pass_on()
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        _apart(book, file)
        file.seek(0)
        return file


def _text(cell: Any) -> Any:
    if isinstance(cell, str):
        return harmless(cell)
    return cell.isoformat(" ", "seconds") if isinstance(cell, datetime) else cell


def _lay_out(sheet: Any, widths: Sequence[int]) -> None:
    sheet.freeze_panes = "A2"
    for number, width in enumerate(widths, start=1):
        column = sheet.column_dimensions[get_column_letter(number)]
        column.width = width
        column.number_format = _TEXT


def _cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", harmless(value)))
    cell.number_format = _TEXT
    return cell


def _apart(book: Workbook, file: IO[bytes]) -> None:
    """Pack the workbook in a real thread under gevent: that takes a tenth of a second at a stretch."""
    if monkey.is_module_patched("threading"):
        get_hub().threadpool.apply(book.save, (file,))
    else:
        book.save(file)
