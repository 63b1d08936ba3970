"""The dashboard's live updates: one reader of the changes per process, however many look on.

A viewer that reads slowly gets the newest row of each charger when it reads again: nothing piles up.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from flask import Flask
from flask_babel import gettext

from app import logs
from app.blueprints.ocpp import dispatch, live
from app.blueprints.ocpp.services import overview
from app.db import db
from app.domain_error import DomainError

log = logging.getLogger(__name__)

# Event streams that one process serves at a time.
MAX_VIEWERS = 500
# Seconds without news after which a viewer is sent a comment, so that a dead one is noticed.
KEEP_ALIVE_S = 15.0
# Seconds after which a stream notices that the process is about to end.
LOOK_UP_S = 1.0
# Seconds that one stream lasts: the browser comes again, and is asked again who it is.
STREAM_S = 900.0
# Chargers that one event carries at most.
CHARGERS_PER_EVENT = 500
# Chargers that one query reads.
CHARGERS_AT_ONCE = 500
# Seconds after which every charger that somebody looks at is read again: heartbeats are no change worth
# telling at once, and a process that dies tells nobody that its chargers have gone.
REFRESH_S = 15.0


class Row(NamedTuple):
    """A charger's public row as JSON, and the text in which a query finds it."""

    text: str
    searched: str


Rows = dict[str, Row]


class TooManyViewers(DomainError):
    """This process serves as many event streams as it can."""

    status_code = 503

    def __init__(self) -> None:
        super().__init__(gettext("too many viewers; try again in a minute"))


class Viewer:
    """One open event stream: a page of the dashboard, and what has changed on it since it last read."""

    def __init__(self, query: str, closing: Callable[[], bool]) -> None:
        self._query = query.casefold()
        # Whether the process is about to end.
        self._closing = closing
        # Whether chargers that are new and match the query belong to this page.
        self._takes_new = False
        self.known: set[str] = set()
        self._rows: dict[str, str] = {}
        self._news = threading.Condition()

    def begin(self, rows: Rows, *, takes_new: bool) -> None:
        """Start with a page of chargers."""
        with self._news:
            self._takes_new = takes_new
            self.known.update(rows)
            self._rows = {charger_id: row.text for charger_id, row in rows.items()} | self._rows

    @property
    def takes_new(self) -> bool:
        """Whether a charger that it does not know may be news to it."""
        return self._takes_new

    def offer(self, rows: Rows) -> None:
        """Take what this viewer looks at."""
        mine = rows.keys() & self.known
        if self._takes_new:
            mine |= {charger_id for charger_id, row in rows.items() if self._query in row.searched}
        if not mine:
            return
        with self._news:
            self.known |= mine
            self._rows.update((charger_id, rows[charger_id].text) for charger_id in mine)
            self._news.notify()

    def events(self) -> Iterator[str]:
        """The stream, in the format of server-sent events."""
        now = time.monotonic()
        deadline, silent_since = now + STREAM_S, now
        yield "retry: 3000\n\n"
        while now < deadline and not self._closing():
            rows = self._take()
            now = time.monotonic()
            if rows:
                yield f"event: chargers\ndata: [{','.join(rows)}]\n\n"
            elif now - silent_since > KEEP_ALIVE_S:
                yield ": still here\n\n"
            else:
                continue
            silent_since = now

    def _take(self) -> list[str]:
        with self._news:
            if not self._rows:
                self._news.wait(LOOK_UP_S)
            return [self._rows.pop(charger_id) for charger_id in list(self._rows)[:CHARGERS_PER_EVENT]]


class Feed:
    """The viewers of this process, and the thread that tells them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: set[Viewer] = set()
        self._running = False

    def join(self, app: Flask, viewer: Viewer) -> None:
        """From now on the viewer is told. Raises ``TooManyViewers``."""
        with self._lock:
            if len(self._viewers) >= MAX_VIEWERS:
                raise TooManyViewers
            self._viewers.add(viewer)
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, args=(app,), name="ocpp-feed", daemon=True).start()

    def leave(self, viewer: Viewer) -> None:
        """The client has gone."""
        with self._lock:
            self._viewers.discard(viewer)

    def _present(self) -> list[Viewer]:
        with self._lock:
            return list(self._viewers)

    def _idle(self) -> bool:
        """Whether nobody looks on any more; then this thread ends, and the next viewer starts another."""
        with self._lock:
            self._running = bool(self._viewers)
            return not self._running

    def _run(self, app: Flask) -> None:
        logs.active.domain = "ocpp"
        with app.app_context():
            while True:
                try:
                    return self._follow()
                except Exception:  # a database that is away for a minute must not end the updates
                    log.exception("the dashboard's updates failed; trying again")
                    time.sleep(1.0)
                if self._idle():
                    return None

    def _follow(self) -> None:
        told: dict[str, str] = {}
        refreshed, told_to = time.monotonic(), set[Viewer]()
        for changed in live.changes():
            if self._idle():
                return
            viewers = self._present()
            known = set[str]().union(*(viewer.known for viewer in viewers))
            wanted = changed or set()
            if not any(viewer.takes_new for viewer in viewers):
                wanted &= known
            if changed is None or time.monotonic() - refreshed > REFRESH_S:
                wanted, refreshed = wanted | known, time.monotonic()
                if told_to != set(viewers):  # a newcomer may have begun while something changed
                    told, told_to = {}, set(viewers)
            rows = {id: row for id, row in load(wanted).items() if told.get(id) != row.text}
            told.update((id, row.text) for id, row in rows.items())
            for viewer in viewers:
                viewer.offer(rows)


def load(charger_ids: set[str]) -> Rows:
    """The newest public rows of chargers; holds no database connection afterwards."""
    ids, rows, presence = sorted(charger_ids), Rows(), dispatch.presence()
    try:
        for start in range(0, len(ids), CHARGERS_AT_ONCE):
            rows |= rows_of(overview.of_ids(db.session(), presence, ids[start : start + CHARGERS_AT_ONCE]))
    finally:
        db.session.remove()
    return rows


def rows_of(chargers: Iterable[overview.Overview]) -> Rows:
    """Public rows as they are sent."""
    return {
        row.charger.charger_id: Row(
            json.dumps(overview.public(row), ensure_ascii=True),
            f"{row.charger.charger_id}\n{row.charger.name}".casefold(),
        )
        for row in chargers
    }


def feed_of(app: Flask) -> Feed:
    """This application's feed."""
    found: Feed = app.extensions.setdefault("ocpp_feed", Feed())
    return found
