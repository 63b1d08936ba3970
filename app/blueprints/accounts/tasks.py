"""Jobs of accounts that run in the worker: files of tags."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from celery import shared_task

from app import leases
from app.blueprints.accounts.services import tag_files, tag_imports, tag_rows
from app.blueprints.accounts.services.tag_files import Note
from app.clock import utcnow
from app.db import db, unit_of_work

log = logging.getLogger(__name__)

# How long files of tags are remembered. What they did stays in the audit trail.
KEPT = timedelta(days=90)
# Seconds between two words about progress.
WORD_EVERY_S = 1.0


class _Lost(Exception):
    """The lease has been lost: somebody else has the file in hand, or it has been discarded."""


@shared_task(name="accounts.read_tag_file", queue="maintenance")
def read_tag_file(import_id: int) -> bool:
    """Check a file that staff have sent. Safe to run twice: whoever comes second leaves it alone."""
    holder = leases.new_holder()
    with unit_of_work() as work:
        if not tag_imports.take(work, import_id, "waiting", holder):
            return False
    upload, notes = tag_imports.upload_of(db.session(), import_id), list[Note]()
    db.session.rollback()  # nothing is held while the file is read
    try:
        lines = tag_files.read_upload(upload, tag_imports.MOST_LINES, notes, _Progress(import_id, holder))
        result = tag_imports.Result.of(tag_rows.compared(db.session(), lines), notes)
    except _Lost:
        return False
    with unit_of_work() as work:
        return tag_imports.store(work, import_id, holder, result)


@shared_task(name="accounts.apply_tag_file", queue="maintenance")
def apply_tag_file(import_id: int) -> bool:
    """Write what staff have confirmed. Safe to run twice: it is written once."""
    holder = leases.new_holder()
    with unit_of_work() as work:
        if not tag_imports.take(work, import_id, "confirmed", holder):
            return False
    with unit_of_work() as work:
        return tag_imports.apply(work, import_id, holder)


@shared_task(name="accounts.find_tag_files", queue="maintenance")
def find_tag_files() -> int:
    """Do what nobody rang for, or whose worker died; return how many files that were."""
    found = tag_imports.waiting(db.session())
    db.session.rollback()
    for import_id, state in found:
        try:
            (read_tag_file if state == "waiting" else apply_tag_file)(import_id)
        except Exception:  # one file's trouble is not the others'; it is tried again
            log.exception("file of tags %d", import_id)
    return len(found)


@shared_task(name="accounts.tidy_tag_files", queue="maintenance")
def tidy_tag_files() -> int:
    """Forget old files of tags, in short pieces; return how many. Safe to run twice."""
    tidied = 0
    while True:
        with unit_of_work() as work:
            count = tag_imports.tidy_piece(work, utcnow() - KEPT)
        tidied += count
        if count < tag_imports.PIECE:
            return tidied


class _Progress:
    """Tells staff how far the checking is, and keeps the lease. Raises ``_Lost``."""

    def __init__(self, import_id: int, holder: str) -> None:
        self._import_id = import_id
        self._holder = holder
        self._told_at = time.monotonic()

    def __call__(self, total: int, done: int) -> None:
        """Note that ``done`` lines have been read; the database is told now and then."""
        if time.monotonic() - self._told_at < WORD_EVERY_S:
            return
        self._told_at = time.monotonic()
        with unit_of_work() as work:
            if not tag_imports.tell_progress(work, self._import_id, self._holder, total, done):
                raise _Lost
