"""RFID tags in CSV: ``rfid,user,allowed``, out and in."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from flask_babel import gettext
from sqlalchemy import insert, select, update

from app.blueprints.accounts.errors import BadFile, BadLine, BadRfid
from app.blueprints.accounts.models import RFID, User
from app.blueprints.accounts.services.users import USERNAME
from app.db import UnitOfWork

HEADER = ["rfid", "user", "allowed"]
# 4-, 7- and 10-byte card ids.
CARD = re.compile(r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}")
ALLOWED = {"true": True, "false": False}
# Values in one question: SQLite takes no more than 32,766.
BATCH = 5_000


@dataclass(frozen=True)
class TagLine:
    """One tag as a file has it."""

    number: int
    rfid: str
    username: str
    allowed: bool


def checked_rfid(text: str) -> str:
    """A card's id, upper-cased. Raises ``BadRfid``."""
    rfid = text.strip().upper()
    if not CARD.fullmatch(rfid):
        raise BadRfid
    return rfid


def export_tags(work: UnitOfWork, out: TextIO) -> int:
    """Write every tag, ordered by rfid. Return how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    count = 0
    tags = select(RFID.rfid, User.username, RFID.allowed).outerjoin(User).order_by(RFID.rfid)
    for rfid, username, allowed in work.execute(tags.execution_options(yield_per=BATCH)):
        writer.writerow([_shielded(rfid), _shielded(username or ""), allowed])
        count += 1
    return count


def import_tags(work: UnitOfWork, lines: Iterable[str]) -> int:
    """Create or change a tag per line, or nothing when any line is bad. Return how many.

    Raises ``BadFile``, which names each bad line. A tag that is not allowed belongs to nobody, whatever the
    file says.
    """
    tags, bad = read_tags(lines)
    users = _ids(work, User.username, User.id, {tag.username for tag in tags if tag.username})
    bad += [
        BadLine(tag.number, gettext("there is no user %(name)s", name=tag.username))
        for tag in tags
        if tag.username and tag.username not in users
    ]
    if bad:
        raise BadFile(sorted(bad, key=lambda line: line.number))
    known = _ids(work, RFID.rfid, RFID.id, {tag.rfid for tag in tags})
    fresh, changed = [], []
    for tag in tags:
        row = {"allowed": tag.allowed, "user_id": users.get(tag.username) if tag.allowed else None}
        if tag.rfid in known:
            changed.append({"id": known[tag.rfid], **row})
        else:
            fresh.append({"rfid": tag.rfid, **row})
    if fresh:
        work.execute(insert(RFID), fresh)
    if changed:
        work.execute(update(RFID), changed)
    work.expire_all()
    return len(tags)


def read_tags(lines: Iterable[str]) -> tuple[list[TagLine], list[BadLine]]:
    """The tags of a file, and what is wrong with the other lines."""
    tags: list[TagLine] = []
    bad: list[BadLine] = []
    first_seen: dict[str, int] = {}
    try:
        for number, row in _rows(lines):
            try:
                tag = _read(number, row)
                if tag.rfid in first_seen:
                    raise ValueError(
                        gettext("the same tag as in line %(number)d", number=first_seen[tag.rfid])
                    )
            except (ValueError, BadRfid) as error:
                bad.append(BadLine(number, str(error)))
            else:
                first_seen[tag.rfid] = number
                tags.append(tag)
    except BadFile as error:
        return [], [*bad, *error.lines]
    return tags, bad


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line that has any, after the header. Raises ``BadFile``."""
    reader = csv.reader(lines)
    header: list[str] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = [cells[0].removeprefix("\ufeff").strip(), *cells[1:]]
                if [name.lower() for name in header] != HEADER:
                    break
            else:
                yield reader.line_num, cells
    except csv.Error as error:
        raise BadFile([BadLine(reader.line_num, gettext("this is not CSV"))]) from error
    if header is None or [name.lower() for name in header] != HEADER:
        wanted = gettext("the header must be %(header)s", header=",".join(HEADER))
        raise BadFile([BadLine(max(reader.line_num, 1), wanted)])


def _read(number: int, cells: list[str]) -> TagLine:
    """One line. Raises ``ValueError`` or ``BadRfid`` with what is wrong."""
    if len(cells) != len(HEADER):
        raise ValueError(gettext("there must be %(count)d columns", count=len(HEADER)))
    rfid, username, allowed = cells
    username = _unshielded(username)
    if username and not USERNAME.fullmatch(username):
        raise ValueError(gettext("there is no user %(name)s", name=username))
    if allowed.lower() not in ALLOWED:
        raise ValueError(gettext("allowed must be True or False"))
    return TagLine(number, checked_rfid(rfid), username, ALLOWED[allowed.lower()])


def _ids(work: UnitOfWork, name: Any, id: Any, wanted: set[str]) -> dict[str, int]:
    """Name → id of the rows that exist."""
    names = sorted(wanted)
    found: dict[str, int] = {}
    for start in range(0, len(names), BATCH):
        rows = work.execute(select(name, id).where(name.in_(names[start : start + BATCH])))
        found.update((row_name, row_id) for row_name, row_id in rows)
    return found


def _shielded(cell: str) -> str:
    """A spreadsheet would run what starts like a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _unshielded(cell: str) -> str:
    return cell[1:] if cell.startswith(("'=", "'+", "'-", "'@")) else cell
