"""Files of tags in XLSX, read by a process of their own.

A workbook is a zip of XML, and a small one can unpack to more than the machine has. The reader may take so
much memory and time and no more; when it dies of that, the worker says so and lives on.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from app.blueprints.accounts.errors import BadFile
from app.blueprints.accounts.services.tag_lines import Cell, Spoiled
from app.blueprints.accounts.tag_sentences import BadLine

READER = str(Path(__file__).with_name("workbook_reader.py"))
# What the reader may take: bytes of memory, seconds of a processor. 100,000 lines need less than half.
MEMORY = 256 * 2**20
CPU_S = 60
# The reader's exit status when it ran out of memory; out of time, the system kills it.
OUT_OF_MEMORY = 3

log = logging.getLogger(__name__)


# What the reader tells: see there.
Message = dict[str, Any]


@dataclass
class Book:
    """The one sheet that has tags."""

    lines: Iterator[tuple[int, Sequence[Cell]] | BadLine]
    total: int
    notes: list[tuple[str, str]] = field(default_factory=list)


def opened(upload: bytes, header: Sequence[str], most: int) -> Book:
    """The sheet whose first line is the header. Raises ``BadFile``, also from ``lines``.

    The reader stops after ``most`` lines and one.
    """
    lines = _messages(upload, [str(most), *header])
    first = next(lines, None)
    if first is None:
        raise BadFile([BadLine(0, "workbook")])
    notes = [("sheet", first["sheet"])] if first["others"] else []
    return Book(_lines(lines), first["total"], notes)


def _lines(messages: Iterator[Message]) -> Iterator[tuple[int, Sequence[Cell]] | BadLine]:
    for message in messages:
        if "merged" in message:
            yield BadLine(message["line"], "merged", message["merged"])
        else:
            yield message["line"], [_cell(cell) for cell in message["cells"]]


def _cell(told: str | bool | list[str] | None) -> Cell:
    return Spoiled(*told) if isinstance(told, list) else told


def _messages(upload: bytes, arguments: Sequence[str]) -> Iterator[Message]:
    """What the reader tells, one by one. Raises ``BadFile`` when it cannot go on."""
    with tempfile.TemporaryFile() as file:
        file.write(upload)
        file.seek(0)
        # -I: our own command, whatever the environment says to Python.
        command = [sys.executable, "-I", READER, str(MEMORY), str(CPU_S), *arguments]
        with subprocess.Popen(  # noqa: S603
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as reader:
            try:
                assert reader.stdout is not None
                yield from _told(reader.stdout)
                status = reader.wait()
            finally:
                reader.kill()
    if status == OUT_OF_MEMORY or status < 0:
        raise BadFile([BadLine(0, "too large")])
    if status:
        raise BadFile([BadLine(0, "workbook")])


def _told(output: IO[bytes]) -> Iterator[Message]:
    for line in output:
        message = json.loads(line)
        if "refused" in message:
            raise BadFile([BadLine(message["line"], message["refused"], message["value"])])
        if "failure" in message:
            log.info("a workbook could not be read: %s", message["failure"])
        else:
            yield message
