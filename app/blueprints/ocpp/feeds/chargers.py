"""Live updates of the dashboard and of landing pages: each viewer's chargers, and the site's totals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from flask import Flask, current_app

from app import clock
from app.blueprints.ocpp import dispatch, live
from app.blueprints.ocpp.feeds.streams import Audience, Stream
from app.blueprints.ocpp.services import days, lists, overview, site
from app.blueprints.ocpp.services.site import Choice
from app.db import db

# Event streams of the dashboard that one process serves at a time.
MAX_VIEWERS = 500
# Chargers that one query reads.
CHARGERS_AT_ONCE = 500
# Seconds after which every charger that somebody looks at is read again: heartbeats are no change worth
# telling at once, and a process that dies tells nobody that its chargers have gone.
REFRESH_S = 15.0
# Part of the time that may be spent on adding up the whole site.
TOTALS_PART = 0.1
# Among the things that a viewer is told of, the site: no charger has this id.
SITE = ""


class Row(NamedTuple):
    """A charger's public row as JSON, and what it is chosen by."""

    text: str
    searched: str
    state: str
    connected: bool


Rows = dict[str, Row]


class Viewer(Stream):
    """One page of chargers, or of a charger, that somebody looks at."""

    event = "chargers"

    def __init__(self, closing: Callable[[], bool], choice: Choice | None = None) -> None:
        super().__init__(closing)
        self._choice = choice or Choice()
        # Whether this page shows what the whole site adds up to; others must not learn it.
        self.sees_site = False
        # Whether chargers that are newly chosen belong to this page.
        self.takes_new = False
        self.known: set[str] = set()

    def begin(self, rows: Rows, totals: str | None = None, *, takes_new: bool = False) -> None:
        """Start with a page of chargers; with the site's totals, if this page shows them."""
        self.takes_new, self.sees_site = takes_new, totals is not None
        self.known = self.known | rows.keys()
        news = {charger_id: row.text for charger_id, row in rows.items()}
        self.start(news if totals is None else {SITE: totals} | news)

    def offer(self, rows: Rows) -> None:
        """Take what this viewer looks at."""
        mine = rows.keys() & self.known
        if self.takes_new:
            mine |= {
                charger_id
                for charger_id, row in rows.items()
                if self._choice.takes(row.searched, row.state, row.connected)
            }
        if mine:
            self.known = self.known | mine
            self.tell({charger_id: rows[charger_id].text for charger_id in mine})

    def events(self, news: Mapping[str, str]) -> str:
        """The site for itself, then the chargers."""
        rows = {thing: text for thing, text in news.items() if thing != SITE}
        site = self.written_event("site", news[SITE]) if SITE in news else ""
        return site + (super().events(rows) if rows else "")


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
        totals = _Totals()
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
            if changed or refreshed > totals.added_up:
                totals.tell([viewer for viewer in viewers if viewer.sees_site])


class _Totals:
    """The whole site, added up when there is time for it."""

    def __init__(self) -> None:
        self.added_up = 0.0
        self._not_before = 0.0
        self._told = ""

    def tell(self, viewers: list[Viewer]) -> None:
        """Tell what has changed."""
        began = time.monotonic()
        if not viewers or began < self._not_before:
            return
        self.added_up = began
        try:
            text = site_now()
        finally:
            db.session.remove()
        now = time.monotonic()
        self._not_before = now + (now - began) / TOTALS_PART
        if text != self._told:
            self._told = text
            for viewer in viewers:
                viewer.tell({SITE: text})


def site_now() -> str:
    """The whole site as it is sent."""
    work = db.session()
    today = clock.today(current_app.config["TIME_ZONE"])
    return json.dumps(site.totals(work, lists.of_all(work, dispatch.presence()), today).told())


def load(charger_ids: set[str]) -> Rows:
    """The newest public rows of chargers; holds no database connection afterwards."""
    ids, rows, presence = sorted(charger_ids), Rows(), dispatch.presence()
    try:
        for start in range(0, len(ids), CHARGERS_AT_ONCE):
            rows |= rows_of(lists.of_ids(db.session(), presence, ids[start : start + CHARGERS_AT_ONCE]))
    finally:
        db.session.remove()
    return rows


def rows_of(chargers: Iterable[overview.Overview]) -> Rows:
    """Public rows as they are sent."""
    chargers = list(chargers)
    today_wh = today_of(chargers)
    return {
        row.charger.charger_id: Row(
            json.dumps(overview.public(row, today_wh.get(row.charger.charger_id, 0)), ensure_ascii=True),
            f"{row.charger.charger_id}\n{row.charger.name}",
            row.state,
            row.connected,
        )
        for row in chargers
    }


def today_of(chargers: Iterable[overview.Overview]) -> dict[str, int]:
    """The Wh that each has delivered today."""
    today = clock.today(current_app.config["TIME_ZONE"])
    return days.energies(db.session(), [row.charger for row in chargers], today)


def feed_of(app: Flask) -> Feed:
    """This application's feed."""
    found: Feed = app.extensions.setdefault("ocpp_feed", Feed())
    return found
