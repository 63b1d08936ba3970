"""RFID tags in CSV, as commands write and read them: ``rfid,user,allowed``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

from sqlalchemy import Select, String, literal, select

from app.blueprints.accounts.errors import BadFile, Overtaken
from app.blueprints.accounts.models import RFID, User
from app.blueprints.accounts.services import tag_files, tag_rows
from app.blueprints.accounts.services.tag_lines import HEADER, checked_rfid
from app.blueprints.accounts.services.tag_rows import Findings
from app.db import UnitOfWork
from app.spreadsheets import harmless

__all__ = [
    "HEADER",
    "as_lines",
    "check_tags",
    "checked_rfid",
    "export_tags",
    "import_tags",
    "piece",
    "write_tags",
]

# Tags read at a time: by a page, whose process serves chargers, and by a command.
PIECE = 500
BATCH = 5_000

# A question for tags as lines of a file: rfid, user, allowed.
Lines = Select[str, str | None, bool]


def export_tags(work: UnitOfWork, out: TextIO) -> int:
    """Write every tag, ordered by rfid. Return how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    count = 0
    tags = as_lines(select(RFID)).order_by(RFID.rfid).execution_options(yield_per=BATCH)
    for rfid, username, allowed in work.execute(tags):
        writer.writerow([harmless(rfid), harmless(username or ""), allowed])
        count += 1
    return count


def as_lines(chosen: Select[Any]) -> Lines:
    """The columns of a file's lines, of the tags that a question chooses."""
    owner = select(User.username).where(User.id == RFID.user_id).correlate(RFID).scalar_subquery()
    return chosen.order_by(None).with_only_columns(RFID.rfid, owner, RFID.allowed)


def piece(work: UnitOfWork, lines: Lines, after: str) -> list[tuple[str, str, bool]]:
    """The next lines, ordered by rfid, after the tag ``after``: at most ``PIECE``."""
    found = work.execute(lines.where(RFID.rfid > after).order_by(RFID.rfid).limit(PIECE))
    return [(rfid, username or "", allowed) for rfid, username, allowed in found]


def check_tags(work: UnitOfWork, lines: Iterable[str]) -> Findings:
    """What a file would do. Only reads. Raises ``BadFile``, which names each bad line."""
    findings = tag_rows.compared(work, tag_files.read_csv(lines))
    if findings.bad:
        raise BadFile(findings.bad)
    return findings


def write_tags(work: UnitOfWork, findings: Findings) -> int:
    """Do it, or nothing. Return how many tags there are. Raises ``Overtaken`` when others were quicker."""
    rows = literal(findings.as_json(), String)
    if tag_rows.stale(work, rows):
        raise Overtaken
    tag_rows.write(work, rows)
    return findings.total


def import_tags(work: UnitOfWork, lines: Iterable[str]) -> int:
    """Create or change a tag per line, or nothing when any line is bad. Return how many.

    Raises ``BadFile``, which names each bad line. A tag that is not allowed belongs to nobody, whatever the
    file says.
    """
    return write_tags(work, check_tags(work, lines))
