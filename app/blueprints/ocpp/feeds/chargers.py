"""The dashboard's live updates: the public rows of the chargers on each viewer's page, as they change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from flask import Flask

from app.blueprints.ocpp import dispatch, live
from app.blueprints.ocpp.feeds.streams import Audience, Stream
from app.blueprints.ocpp.services import overview
from app.db import db

# Event streams of the dashboard that one process serves at a time.
MAX_VIEWERS = 500
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


class Viewer(Stream):
    """One page of the dashboard that somebody looks at."""

    event = "chargers"

    def __init__(self, query: str, closing: Callable[[], bool]) -> None:
        super().__init__(closing)
        self._query = query.casefold()
        # Whether chargers that are new and match the query belong to this page.
        self.takes_new = False
        self.known: set[str] = set()

    def begin(self, rows: Rows, *, takes_new: bool) -> None:
        """Start with a page of chargers."""
        self.takes_new = takes_new
        self.known = self.known | rows.keys()
        self.start({charger_id: row.text for charger_id, row in rows.items()})

    def offer(self, rows: Rows) -> None:
        """Take what this viewer looks at."""
        mine = rows.keys() & self.known
        if self.takes_new:
            mine |= {charger_id for charger_id, row in rows.items() if self._query in row.searched}
        if mine:
            self.known = self.known | mine
            self.tell({charger_id: rows[charger_id].text for charger_id in mine})


class Feed(Audience[Viewer]):
    """Whoever looks at the dashboard."""

    name = "dashboard"

    def has_room_for(self, stream: Viewer, present: set[Viewer]) -> bool:
        """There is an upper limit."""
        return len(present) < MAX_VIEWERS

    def follow(self) -> None:
        """Tell each viewer what changes on their page."""
        told: dict[str, str] = {}
        refreshed, told_to = time.monotonic(), set[Viewer]()
        for changed in live.changes():
            if self.idle():
                return
            viewers = self.present()
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
