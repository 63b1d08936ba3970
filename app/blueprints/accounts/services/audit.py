"""The audit trail: who did what, when, to which row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, inspect

from app.blueprints.accounts.models import AuditEntry, User
from app.db import Base, UnitOfWork

# Columns whose values must not be readable in the trail: that they changed is all it says.
SECRET = re.compile(r"password|hash|key|token|secret", re.IGNORECASE)


def record(
    work: UnitOfWork,
    user: User | None,
    action: str,
    subject: str,
    subject_id: object,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Remember one act. ``subject`` is the table; no user means the command line or the system itself."""
    entry = AuditEntry(
        user_id=user.id if user else None,
        username=user.username if user else "",
        action=action,
        subject=subject,
        subject_id=str(subject_id),
        details=dict(details or {}),
    )
    work.add(entry)
    return entry


def record_each(
    work: UnitOfWork, user: User | None, action: str, subject: str, subject_ids: Iterable[object]
) -> None:
    """Remember one act on many rows, an entry each, in one statement."""
    who = {"user_id": user.id if user else None, "username": user.username if user else ""}
    what = {"action": action, "subject": subject, "details": {}}
    entries = [{**who, **what, "subject_id": str(id)} for id in subject_ids]
    if entries:
        work.execute(insert(AuditEntry), entries)


def values(row: Base) -> dict[str, Any]:
    """Every column of a row, by name."""
    return {column.key: getattr(row, column.key) for column in inspect(type(row)).column_attrs}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Name → ``[old, new]`` of what differs, as JSON can hold it; of secrets only that they differ."""
    return {
        name: "changed" if SECRET.search(name) else [_plain(before.get(name)), _plain(after.get(name))]
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
