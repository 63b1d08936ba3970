"""Lists as files, CSV and XLSX, made in short slices of time: the chargers of this process must not wait.

A line is a list of texts, numbers and times (naive, of the reader's clock).
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BytesIO, StringIO
from typing import Any

from flask import Response
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from app.spreadsheets import harmless

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Seconds that making a file may hold this process; then everybody else has a turn, for as long.
SLICE_S = 0.005
CSV_PIECE_BYTES = 65_536

# A process makes one workbook at a time.
_one_at_a_time = threading.Lock()


def csv_file(name: str, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> Response:
    """A CSV file of any length: it goes out while it is read."""

    def written() -> Iterator[str]:
        buffer, turn = StringIO(), _Turn()
        writer = csv.writer(buffer)
        writer.writerow(columns)
        for line in lines:
            writer.writerow([_text(cell) for cell in line])
            turn.pass_on()
            if buffer.tell() > CSV_PIECE_BYTES:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    return Response(written(), mimetype="text/csv", headers=_named(f"{name}.csv"))


def xlsx_file(name: str, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> Response:
    """A workbook with one sheet. The caller sees to it that there are not too many lines."""
    with _one_at_a_time:
        turn = _Turn()
        file = _Shared(turn)
        book = Workbook(write_only=True)
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append(list(columns))
        for line in lines:
            sheet.append([_cell(cell) for cell in line])
            turn.pass_on()
        book.save(file)
    return Response(file.getvalue(), mimetype=XLSX, headers=_named(f"{name}.xlsx"))


class _Turn:
    """One's time on this process, which others want too."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def pass_on(self) -> None:
        """Let others work for as long as this has worked, once that was long enough."""
        worked_s = time.perf_counter() - self._began
        if worked_s > SLICE_S:
            time.sleep(worked_s)
            self._began = time.perf_counter()


class _Shared(BytesIO):
    """A file whose writer passes its turn on: a workbook is compressed in one go."""

    def __init__(self, turn: _Turn) -> None:
        super().__init__()
        self._turn = turn

    def write(self, data: Any) -> int:
        """Write what has been compressed."""
        count = super().write(data)
        self._turn.pass_on()
        return count


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return "" if cell is None else harmless(str(cell))


def _cell(cell: Any) -> Any:
    return ILLEGAL_CHARACTERS_RE.sub("", harmless(cell)) if isinstance(cell, str) else cell


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
