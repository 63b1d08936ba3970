"""Tables as files for spreadsheet programs, made in pieces: the web process holds the chargers' sockets.

CSV is streamed. A workbook has to be whole before its first byte can leave, so it grows in a temporary file.
tablib's own writer makes 50,000 rows in one go of two seconds, in which no charger would be answered; what it
stands on, openpyxl, takes a row at a time, and in between others have their turn.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import tablib  # with openpyxl a quarter of a second, better spent at the start than in a request
from gevent import get_hub, monkey
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

Row = Sequence[Any]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FORMULA = ("=", "+", "-", "@")
# Excel's format of cells that hold text, also when somebody types digits into them.
_TEXT = "@"
# Seconds of work after which others have their turn, and rows between two looks at the clock. The pause is no
# 0: gevent would let other greenlets run, but look at no socket for many times.
SLICE_S = 0.005
PAUSE_S = 0.001
ROWS_BETWEEN_LOOKS = 10
# Each workbook takes a processor for seconds: several at once would leave chargers a small share of it.
_turn = threading.BoundedSemaphore(1)


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: numbers stay, the others get an apostrophe."""
    return cell if not cell.startswith(_FORMULA) or _NUMBER.fullmatch(cell) else f"'{cell}"


def unshielded(cell: str) -> str:
    """The cell that ``harmless`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def csv_text(header: Row, pieces: Iterable[Sequence[Row]]) -> Iterator[str]:
    """CSV, a piece at a time; others have their turn after each."""
    yield _csv([header])
    for piece in pieces:
        if piece:
            yield _csv(piece)
        time.sleep(PAUSE_S)


def workbook(title: str, header: Row, pieces: Iterable[Sequence[Row]], widths: Sequence[int]) -> IO[bytes]:
    """An XLSX file, to be closed by the caller: then it is gone. ``widths``: of the columns, in characters.

    Columns of text stay text, whatever is typed into them later, so that no leading zero is lost.
    """
    with _turn:
        book = Workbook(write_only=True)
        sheet = book.create_sheet(title)
        _lay_out(sheet, widths)
        sheet.append(list(header))
        pause = _Pauses()
        for piece in pieces:
            for row in piece:
                sheet.append([_cell(sheet, value) for value in row])
                pause.after_row()
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        _apart(book, file)
        file.seek(0)
        return file


def _csv(rows: Sequence[Row]) -> str:
    shielded = [[harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    text: str = tablib.Dataset(*shielded).export("csv", lineterminator="\n")
    return text


def _lay_out(sheet: Any, widths: Sequence[int]) -> None:
    sheet.freeze_panes = "A2"
    for number, width in enumerate(widths, start=1):
        column = sheet.column_dimensions[get_column_letter(number)]
        column.width = width
        column.number_format = _TEXT


def _cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, harmless(value))
    cell.number_format = _TEXT
    return cell


class _Pauses:
    """Gives others their turn when it is time."""

    def __init__(self) -> None:
        self._rows = 0
        self._since = time.perf_counter()

    def after_row(self) -> None:
        """Look at the clock now and then."""
        self._rows += 1
        if self._rows % ROWS_BETWEEN_LOOKS or time.perf_counter() - self._since < SLICE_S:
            return
        time.sleep(PAUSE_S)
        self._since = time.perf_counter()


def _apart(book: Workbook, file: IO[bytes]) -> None:
    """Pack the workbook in a real thread under gevent: that takes a tenth of a second at a stretch."""
    if monkey.is_module_patched("threading"):
        get_hub().threadpool.apply(book.save, (file,))
    else:
        book.save(file)
