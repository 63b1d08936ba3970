"""A file of tags held against the database: what it would change; and the one statement that changes it.

What is to be written travels as JSON, an array for each line (see ``Place``), so that one statement takes all
of it, on either database, and nobody waits for longer than that.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    String,
    Subquery,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.blueprints.accounts.models import RFID, User
from app.blueprints.accounts.services.tag_lines import TagLine
from app.blueprints.accounts.tag_sentences import BadLine
from app.clock import utcnow
from app.db import UnitOfWork

# Values in one question: SQLite takes no more than 32,766.
BATCH = 5_000
# Changes, and new tags, that are shown before they are confirmed.
SHOWN = 25


class Place(IntEnum):
    """What stands where in a line's array. Truth values are 1 and 0."""

    RFID = 0
    USER_ID = 1
    ALLOWED = 2
    # What is to be done with it, a ``Deed``.
    DEED = 3
    # As it was when the file was checked.
    USER_ID_BEFORE = 4
    ALLOWED_BEFORE = 5
    # The user's name in the file: the id may have another one by now.
    USERNAME = 6


class Deed(IntEnum):
    """What a line does."""

    NOTHING = 0
    CREATE = 1
    CHANGE = 2


@dataclass(frozen=True)
class Known:
    """A tag as the database has it."""

    user_id: int | None
    username: str | None
    allowed: bool


class Findings:
    """What a file would do."""

    def __init__(self) -> None:
        self.bad: list[BadLine] = []
        self.counts = dict.fromkeys(Deed, 0)
        # By deed: [rfid, before, after], each [user, allowed] or null.
        self.shown: dict[Deed, list[Any]] = {deed: [] for deed in Deed}
        self._rows = io.StringIO()

    @property
    def total(self) -> int:
        """How many tags the file names."""
        return sum(self.counts.values())

    def as_json(self) -> str:
        """What ``stale`` and ``write`` take."""
        if not self.total:
            return "[]"
        return self._rows.getvalue() + "]"

    def add(self, tag: TagLine, user_id: int | None, known: Known | None) -> None:
        """A good line."""
        after = (user_id, tag.allowed)
        before = None if known is None else (known.user_id, known.allowed)
        deed = Deed.CREATE if before is None else Deed.NOTHING if before == after else Deed.CHANGE
        was = (None, None) if before is None else (before[0], int(before[1]))
        owner = tag.username if user_id else None
        row = [tag.rfid, user_id, int(tag.allowed), deed, *was, owner]
        self._rows.write("," if self.total else "[")
        self._rows.write(json.dumps(row, separators=(",", ":")))
        self.counts[deed] += 1
        if len(self.shown[deed]) < SHOWN:
            told = None if known is None else [known.username, known.allowed]
            self.shown[deed].append([tag.rfid, told, [owner, tag.allowed]])


def compared(work: UnitOfWork, lines: Iterable[TagLine | BadLine]) -> Findings:
    """Hold a file against the database, which is only read."""
    findings = Findings()
    users: dict[str, int] = {}
    for batch in _batches(lines):
        tags = [line for line in batch if isinstance(line, TagLine)]
        findings.bad += [line for line in batch if isinstance(line, BadLine)]
        users |= _user_ids(work, {tag.username for tag in tags if tag.username} - users.keys())
        known = _known(work, [tag.rfid for tag in tags])
        for tag in tags:
            if problem := _problem(tag, users, known):
                findings.bad.append(problem)
            else:
                owner = users[tag.username] if tag.username and tag.allowed else None
                findings.add(tag, owner, known.get(tag.rfid))
    findings.bad.sort(key=lambda line: line.number)
    return findings


def stale(work: UnitOfWork, rows: ColumnElement[str]) -> int:
    """How many of the lines are held against what is no longer so; none becomes so before the work ends."""
    if work.get_bind().dialect.name == "postgresql":
        # Others may read, and write a moment later: an edit between this and the write would be lost.
        work.execute(text("LOCK TABLE rfid IN SHARE ROW EXCLUSIVE MODE"))
    line = _lines(work, rows)
    # A tag that has come or gone differs too: that it is allowed is never unknown.
    changed = or_(
        RFID.user_id.is_distinct_from(line.c.user_id_before),
        cast(RFID.allowed, Integer).is_distinct_from(line.c.allowed_before),
        and_(line.c.user_id.is_not(None), User.username.is_distinct_from(line.c.username)),
    )
    both = line.outerjoin(RFID, RFID.rfid == line.c.rfid).outerjoin(User, User.id == line.c.user_id)
    return work.scalar(select(func.count()).select_from(both).where(changed)) or 0


def write(work: UnitOfWork, rows: ColumnElement[str]) -> None:
    """Create and change all of it, in one statement. A tag that is not allowed belongs to nobody."""
    line = _lines(work, rows)
    dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    asked = select(line.c.rfid, line.c.user_id, line.c.allowed == 1, literal(utcnow(), RFID.added_on.type))
    insert = dialect.insert(RFID).from_select(
        [RFID.rfid, RFID.user_id, RFID.allowed, RFID.added_on], asked.where(line.c.deed != Deed.NOTHING)
    )
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=[RFID.rfid], set_={"user_id": new.user_id, "allowed": new.allowed}
    )
    work.execute(upsert.execution_options(synchronize_session=False))
    work.expire_all()


def _lines(work: UnitOfWork, rows: ColumnElement[str]) -> Subquery:
    """The lines of a JSON text as a table, on either database."""
    on_postgres = work.get_bind().dialect.name == "postgresql"
    each: Any = (
        func.json_array_elements(cast(rows, JSON)) if on_postgres else func.json_each(rows)
    ).table_valued("value", name="line")

    def cell(place: Place, kind: Any) -> ColumnElement[Any]:
        found = (
            each.c.value.op("->>")(int(place))
            if on_postgres
            else func.json_extract(each.c.value, f"$[{place:d}]")
        )
        return cast(found, kind) if on_postgres else found

    kinds = {Place.RFID: String, Place.USERNAME: String}
    cells = (cell(place, kinds.get(place, Integer)).label(place.name.lower()) for place in Place)
    return select(*cells).select_from(each).subquery("line")


def _problem(tag: TagLine, users: dict[str, int], known: dict[str, Known]) -> BadLine | None:
    if tag.username and tag.username not in users:
        return BadLine(tag.number, "user", tag.username)
    if not tag.is_card and tag.rfid not in known:
        return tag.not_a_card()
    return None


def _user_ids(work: UnitOfWork, names: set[str]) -> dict[str, int]:
    """Name → id of the users that exist."""
    found = select(User.username, User.id).where(User.username.in_(names))
    return {name: id for name, id in work.execute(found)} if names else {}


def _known(work: UnitOfWork, rfids: Sequence[str]) -> dict[str, Known]:
    """The tags that exist, by their ids."""
    found = (
        select(RFID.rfid, RFID.user_id, User.username, RFID.allowed)
        .outerjoin(RFID.user)
        .where(RFID.rfid.in_(rfids))
    )
    return {
        rfid: Known(user_id, username, allowed) for rfid, user_id, username, allowed in work.execute(found)
    }


def _batches(lines: Iterable[TagLine | BadLine]) -> Iterator[list[TagLine | BadLine]]:
    rest = iter(lines)
    while batch := list(islice(rest, BATCH)):
        yield batch
