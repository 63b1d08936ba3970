"""The life of a file of tags that staff have sent: see ``TagImport``.

Every step is one conditional change of the row, so that whoever comes second, or too late, changes nothing.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from app import leases
from app.blueprints.accounts.errors import FileTooLarge, NoFile, PassedOver
from app.blueprints.accounts.models import TagFile, TagImport, User
from app.blueprints.accounts.services import audit, tag_rows
from app.blueprints.accounts.services.tag_files import Note
from app.blueprints.accounts.services.tag_rows import Deed, Findings
from app.blueprints.accounts.tag_sentences import LONGEST_QUOTE, BadLine
from app.clock import utcnow
from app.db import UnitOfWork

log = logging.getLogger(__name__)

# Of a file. While it is stored the web process does nothing else: 4 MB take less than 20 ms.
MOST_MB = 4
MOST_BYTES = MOST_MB * 10**6
# Lines of a file. Writing them takes SQLite's write lock: 50,000 take a third of a second.
MOST_LINES = 100_000
# Seconds that a worker may be silent about a file.
LEASE_S = 60.0
# Workers that may die of one file.
MOST_ATTEMPTS = 3
# Bad lines that are shown; all of them can be downloaded.
SHOWN = 100
# Rows tidied away in one transaction: with their files, they are large.
PIECE = 20

# States in which a worker has something to do; and those of which staff may ask for the next.
WAITING = ("waiting", "confirmed")
CHECKABLE = ("checked", "bad", "stale", "failed")
DISCARDABLE = (*WAITING, *CHECKABLE)


def receive(work: UnitOfWork, who: User, filename: str, upload: bytes) -> TagImport:
    """Take a file in; a worker checks it. Raises ``NoFile`` or ``FileTooLarge``."""
    if not upload:
        raise NoFile
    if len(upload) > MOST_BYTES:
        raise FileTooLarge(MOST_MB)
    row = TagImport(created_by_id=who.id, filename=_shown_name(filename))
    work.add(row)
    work.flush()  # the file goes with the id, and the worker is told it
    work.add(TagFile(import_id=row.id, upload=upload))
    return row


def waiting(work: UnitOfWork) -> Sequence[tuple[int, str]]:
    """Id and state of the files that wait for a worker and that none has in hand."""
    found = select(TagImport.id, TagImport.state)
    found = found.where(TagImport.state.in_(WAITING), leases.free(TagImport, utcnow()))
    return [(id, state) for id, state in work.execute(found.order_by(TagImport.id))]


def take(work: UnitOfWork, import_id: int, state: str, holder: str) -> bool:
    """Lease a file in order to do what it waits for; False when that is somebody else's, or done."""
    which = (TagImport.id == import_id, TagImport.state == state)
    if not leases.take(work, TagImport, *which, holder=holder, seconds=LEASE_S, limit=1):
        return False
    row = _row(work, import_id)
    if row.attempts >= MOST_ATTEMPTS:
        log.warning("file of tags %d has failed: %d workers began it and died", row.id, row.attempts)
        row.state = "failed"
        _let_go(row)
        return False
    row.attempts += 1
    return True


def upload_of(work: UnitOfWork, import_id: int) -> bytes:
    """The file."""
    return work.scalar(select(TagFile.upload).where(TagFile.import_id == import_id)) or b""


def tell_progress(work: UnitOfWork, import_id: int, holder: str, total: int, done: int) -> bool:
    """Say how far the checking is, and keep the lease; False when it has been lost."""
    if not leases.renew(work, TagImport, [import_id], holder=holder, seconds=LEASE_S):
        return False
    _change(work, import_id, ("waiting",), lines=max(total, done), done=done)
    return True


@dataclass(frozen=True)
class Result:
    """What a check has found, ready to be stored: making it takes longer than others should wait."""

    # Columns of the import.
    told: dict[str, Any]
    # Columns of its file.
    kept: dict[str, Any]

    @classmethod
    def of(cls, findings: Findings, notes: list[Note]) -> Result:
        """Pack findings up."""
        bad, counts, shown = findings.bad, findings.counts, findings.shown
        lines = findings.total + len(bad)
        told = {
            "state": "bad" if bad else "checked",
            "lines": lines,
            "done": lines,
            "created": counts[Deed.CREATE],
            "changed": counts[Deed.CHANGE],
            "unchanged": counts[Deed.NOTHING],
            "bad": len(bad),
            "problems": [_told(line) for line in bad[:SHOWN]],
            "sample": [] if bad else [*shown[Deed.CHANGE], *shown[Deed.CREATE]],
            "notes": [list(note) for note in notes],
        }
        return cls(told, {"rows": None if bad else findings.as_json(), "report": _packed(bad)})


def store(work: UnitOfWork, import_id: int, holder: str, result: Result) -> bool:
    """Keep what the checking has found; False when the lease has been lost."""
    row = _held(work, import_id, "waiting", holder)
    if row is None:
        return False
    for name, value in result.told.items():
        setattr(row, name, value)
    row.checked_on = utcnow()
    work.execute(update(TagFile).where(TagFile.import_id == import_id).values(**result.kept))
    _let_go(row)
    return True


def confirm(work: UnitOfWork, row: TagImport, who: User, seen: datetime | None) -> None:
    """Have a worker write what staff have seen: the findings of that time. Raises ``PassedOver``."""
    same, changes = TagImport.checked_on == seen, TagImport.created + TagImport.changed > 0
    notes = [note for note in row.notes if note[0] != "locked"]
    by = {"confirmed_by_id": who.id, "attempts": 0, "notes": notes}
    _pass_on(work, row, ("checked",), same, changes, state="confirmed", **by)


def check_again(work: UnitOfWork, row: TagImport) -> None:
    """Have a worker read the file anew: the tags and users are others by now. Raises ``PassedOver``."""
    nothing = dict.fromkeys(("lines", "done", "created", "changed", "unchanged", "bad", "attempts"), 0)
    _pass_on(work, row, CHECKABLE, state="waiting", problems=[], sample=[], notes=[], **nothing)


def discard(work: UnitOfWork, row: TagImport) -> None:
    """Forget a file that has not been applied; a worker who has it in hand lets go. Raises ``PassedOver``."""
    _pass_on(work, row, DISCARDABLE, state="discarded", finished_on=utcnow())
    _wipe(work, [row.id])


def apply(work: UnitOfWork, import_id: int, holder: str) -> bool:
    """Write what was confirmed, all of it, if it is still what staff were shown; False when it is not.

    The state changes in the same transaction: however often this runs, it is written once.
    """
    row = _held(work, import_id, "confirmed", holder)
    if row is None:
        return False
    who = row.confirmed_by
    if who is None or not (who.is_active and who.is_staff):
        row.state, row.notes = "checked", [*row.notes, ["locked", who.username if who else ""]]
        _let_go(row)
        return False
    rows: Any = select(TagFile.rows).where(TagFile.import_id == import_id).scalar_subquery()
    if count := tag_rows.stale(work, rows):
        row.state, row.notes = "stale", [*row.notes, ["stale", str(count)]]
        _let_go(row)
        return False
    tag_rows.write(work, rows)
    row.state, row.finished_on = "applied", utcnow()
    _let_go(row)
    _wipe(work, [row.id])
    counts = {name: getattr(row, name) for name in ("created", "changed", "unchanged")}
    audit.record(work, who, "import", row.__tablename__, row.id, {"file": row.filename, **counts})
    return True


def bad_lines(report: bytes | None) -> Iterator[BadLine]:
    """Every bad line of a file, one by one: there may be very many."""
    if report:
        with gzip.open(io.BytesIO(report), "rt", encoding="utf-8") as packed:
            yield from (BadLine(*json.loads(line)) for line in packed)


def report_of(work: UnitOfWork, row: TagImport) -> bytes | None:
    """All bad lines, packed."""
    return work.scalar(select(TagFile.report).where(TagFile.import_id == row.id))


def tidy_piece(work: UnitOfWork, before: datetime) -> int:
    """Delete old files that wait for no worker, a few at most; return how many."""
    old = select(TagImport.id).where(TagImport.created_on < before, TagImport.state.not_in(WAITING))
    ids = work.scalars(old.limit(PIECE)).all()
    _wipe(work, ids)
    work.execute(delete(TagImport).where(TagImport.id.in_(ids)))
    return len(ids)


def _wipe(work: UnitOfWork, import_ids: Sequence[int]) -> None:
    """Forget files."""
    work.execute(delete(TagFile).where(TagFile.import_id.in_(import_ids)))


def _shown_name(filename: str) -> str:
    """The file's name, without folders, as a page can show it."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[:255]


def _row(work: UnitOfWork, import_id: int) -> TagImport:
    chosen = select(TagImport).where(TagImport.id == import_id)
    return work.scalars(chosen.execution_options(populate_existing=True)).one()


def _held(work: UnitOfWork, import_id: int, state: str, holder: str) -> TagImport | None:
    """The row, locked, when it is still the holder's and waits for what the holder does."""
    chosen = select(TagImport).where(
        TagImport.id == import_id, TagImport.state == state, TagImport.leased_by == holder
    )
    return work.scalar(chosen.with_for_update().execution_options(populate_existing=True))


def _let_go(row: TagImport) -> None:
    row.leased_by, row.leased_until = "", None


def _pass_on(work: UnitOfWork, row: TagImport, states: Sequence[str], *also: Any, **values: Any) -> None:
    """From one of these states to the next, whoever had the row in hand. Raises ``PassedOver``."""
    if not _change(work, row.id, states, *also, leased_by="", leased_until=None, **values):
        raise PassedOver
    work.refresh(row)


def _change(work: UnitOfWork, import_id: int, states: Sequence[str], *also: Any, **values: Any) -> bool:
    which = (TagImport.id == import_id, TagImport.state.in_(states), *also)
    done = update(TagImport).where(*which).values(**values).returning(TagImport.id)
    return work.scalar(done.execution_options(synchronize_session=False)) is not None


def _told(line: BadLine) -> list[Any]:
    """A bad line as JSON."""
    return [line.number, line.kind, line.value[:LONGEST_QUOTE]]


def _packed(lines: Sequence[BadLine]) -> bytes | None:
    """Bad lines as the database keeps them: a line of JSON each, compressed."""
    if not lines:
        return None
    packed = io.BytesIO()
    with gzip.open(packed, "wt", encoding="utf-8", compresslevel=1) as file:
        for line in lines:
            file.write(json.dumps(_told(line)) + "\n")
    return packed.getvalue()
