"""The words and colours in which pages tell how an instance is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import format_datetime, format_timedelta, gettext, lazy_gettext

from app.blueprints.odoo.errors import OK
from app.blueprints.odoo.models import Instance, InstanceCheck
from app.clock import utcnow

# Instance.state → words, and Bootstrap's colour.
STATES = {
    "checking": (lazy_gettext("Checking …"), "info"),
    "waiting": (lazy_gettext("Waiting for the worker"), "info"),
    "never": (lazy_gettext("Never checked"), "secondary"),
    "ok": (lazy_gettext("OK"), "success"),
    "failed": (lazy_gettext("Failed"), "danger"),
}


def told(instance: Instance) -> dict[str, Any]:
    """An instance's present state, as its screens show it and their script asks for it."""
    word, colour = STATES[instance.state]
    return {
        "id": instance.id,
        "busy": instance.state in ("checking", "waiting"),
        "state": str(word),
        "colour": colour,
        "sentence": "" if instance.last_outcome == OK else instance.last_sentence,  # the badge says it all
        "last_checked_at": ago(instance.last_checked_at),
        "last_ok_at": ago(instance.last_ok_at),
        "version": instance.version,
    }


def ago(at: datetime | None) -> str:
    """``3 minutes ago``."""
    if at is None:
        return gettext("never")
    passed = utcnow() - at
    if passed.total_seconds() < 5:
        return gettext("just now")
    return str(format_timedelta(-passed, add_direction=True))


def moment(at: datetime | None) -> str:
    """``23 Nov 2026, 05:49:36``, in the zone of the pages; empty when it never was."""
    return "" if at is None else str(format_datetime(at, "medium"))


@dataclass(frozen=True)
class Mark:
    """One check in the picture: where, in hundredths of its width."""

    x: float
    is_ok: bool
    title: str


@dataclass(frozen=True)
class Picture:
    """Checks along time."""

    marks: Sequence[Mark]
    since: str
    until: str
    # How many ended well, of how many.
    summary: str

    @classmethod
    def of(cls, checks: Sequence[InstanceCheck]) -> Picture | None:
        """The picture of checks, newest first; None where there is nothing to see."""
        if not checks:
            return None
        start, end = checks[-1].at, checks[0].at
        span = (end - start).total_seconds() or 1.0
        marks = [
            Mark(
                round(1 + (check.at - start).total_seconds() / span * 98, 2),  # not at the very edges
                check.is_ok,
                f"{moment(check.at)}: {check.sentence}",
            )
            for check in reversed(checks)
        ]
        good = sum(mark.is_ok for mark in marks)
        summary = gettext("%(good)s of the last %(all)s checks ended well.", good=good, all=len(marks))
        return cls(marks, moment(start), moment(end), summary)
