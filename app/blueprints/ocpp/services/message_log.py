"""The stored exchange with a charger, as its log page and the API show it. Read-only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import TypeVar

from sqlalchemy import Select, or_, select

from app.blueprints.ocpp.models import Charger, OcppMessage
from app.db import UnitOfWork

# Lines of the log in the API.
LINES = 200
# Messages that one query searches.
SEARCHED_AT_ONCE = 5000

T = TypeVar("T")


def newest(
    work: UnitOfWork, charger: Charger, *, query: str = "", before: int | None = None, limit: int = LINES
) -> Sequence[OcppMessage]:
    """The newest messages that contain ``query`` (and are older than the message ``before``), newest last."""
    found: list[OcppMessage] = []
    while True:
        oldest = _slice_end(work, charger, before) if query else None
        chosen = _older(_of(charger, query), before).order_by(OcppMessage.id.desc())
        if oldest is not None:
            chosen = chosen.where(OcppMessage.id >= oldest)
        found += work.scalars(chosen.limit(limit - len(found)))
        if oldest is None or len(found) == limit:
            return found[::-1]
        before = oldest
        time.sleep(0)  # a search through a month would stop every charger of the process


def newest_id(work: UnitOfWork, charger: Charger) -> int:
    """The id of the charger's newest message; 0 while nothing has been said."""
    ids = select(OcppMessage.id).where(OcppMessage.charger_id == charger.id)
    return work.scalar(ids.order_by(OcppMessage.id.desc()).limit(1)) or 0


def since(
    work: UnitOfWork, charger: Charger, *, after: int, query: str = "", limit: int = LINES
) -> Sequence[OcppMessage]:
    """The messages that came after the message ``after``, oldest first."""
    fresh = _of(charger, query).where(OcppMessage.id > after)
    return work.scalars(fresh.order_by(OcppMessage.id).limit(limit)).all()


def lines(work: UnitOfWork, charger: Charger, limit: int = LINES) -> list[str]:
    """The last frames in the order of their times: ``> in`` from the charger, ``< out`` from us."""
    frames = sorted(chain.from_iterable(_frames(message) for message in newest(work, charger, limit=limit)))
    return [text for *_, text in frames[-limit:]]


def _frames(message: OcppMessage) -> list[tuple[datetime, int, int, str]]:
    asked, told = ("> ", "< ") if message.direction == "in" else ("< ", "> ")
    frames = [(message.at, message.id, 0, asked + message.request)]
    if message.answer is not None:
        frames.append((message.answered_at or message.at, message.id, 1, told + message.answer))
    return frames


def _slice_end(work: UnitOfWork, charger: Charger, before: int | None) -> int | None:
    """The oldest of the next ``SEARCHED_AT_ONCE`` messages; None when there are fewer."""
    ids = _older(select(OcppMessage.id).where(OcppMessage.charger_id == charger.id), before)
    return work.scalar(ids.order_by(OcppMessage.id.desc()).offset(SEARCHED_AT_ONCE - 1).limit(1))


def _older(chosen: Select[T], before: int | None) -> Select[T]:
    return chosen if before is None else chosen.where(OcppMessage.id < before)


def _of(charger: Charger, query: str) -> Select[OcppMessage]:
    chosen = select(OcppMessage).where(OcppMessage.charger_id == charger.id)
    if query:
        searched = (OcppMessage.action, OcppMessage.message_id, OcppMessage.request, OcppMessage.answer)
        chosen = chosen.where(or_(*(column.icontains(query, autoescape=True) for column in searched)))
    return chosen
