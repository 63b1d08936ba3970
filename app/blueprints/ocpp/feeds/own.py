"""Drivers' live updates: each stream tells one account's own state to whoever may act for that account."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from flask import Flask

from app.blueprints.accounts.models import Account
from app.blueprints.ocpp import dispatch, live
from app.blueprints.ocpp.feeds.streams import Audience, Stream
from app.blueprints.ocpp.services import drivers
from app.blueprints.ocpp.services.drivers import Running
from app.db import UnitOfWork, db

# Event streams of drivers that one process serves at a time, and how many of them one account may have.
MAX_STREAMS = 300
MAX_STREAMS_PER_ACCOUNT = 6
# Accounts that are read at a time.
ACCOUNTS_AT_ONCE = 50
# Seconds after which everybody's state is read again: credit is no change of a charger, and a process that
# dies tells nobody that its chargers have gone.
REFRESH_S = 5.0


@dataclass(frozen=True)
class State:
    """An account and what runs on it, for those who may know."""

    text: str
    # The chargers that it tells of.
    places: frozenset[str]
    # Whose session this is; None when nobody may look any more.
    session_key: str | None


class Watch(Stream):
    """Somebody looks at their own account."""

    event = "state"
    # Shorter than the dashboard's: an API token that has been revoked must not listen for long.
    lasts_s = 300.0

    def __init__(self, account_id: int, session_key: str | None, closing: Callable[[], bool]) -> None:
        super().__init__(closing)
        self.account_id = account_id
        # Of the login that asks; None: a token does, which a change of password leaves alone.
        self._session_key = session_key
        self.places: frozenset[str] = frozenset()
        self._told = ""

    def begin(self, state: State) -> None:
        """Start with how things stand."""
        self.places = self.places | state.places
        self.start({"state": state.text})

    def offer(self, state: State) -> None:
        """Take what is new; end when whoever looks has been locked, or logged out by a new password."""
        if state.session_key is None or (self._session_key or state.session_key) != state.session_key:
            self.end()
        elif state.text != self._told:
            self.places, self._told = state.places, state.text
            self.tell({"state": state.text})

    def written(self, news: Sequence[str]) -> str:
        """The state."""
        return news[-1]


class Watchers(Audience[Watch]):
    """Everybody on this process who looks at their own account."""

    name = "drivers"

    def has_room_for(self, stream: Watch, present: set[Watch]) -> bool:
        """There is an upper limit for all, and one for each."""
        own = sum(watch.account_id == stream.account_id for watch in present)
        return len(present) < MAX_STREAMS and own < MAX_STREAMS_PER_ACCOUNT

    def follow(self) -> None:
        """Tell each what changes on their account, and nothing of anybody else's."""
        refreshed = 0.0
        for changed in live.changes(REFRESH_S):
            if self.idle():
                return
            present = self.present()
            wanted = {watch.account_id for watch in present}
            if changed is not None and time.monotonic() - refreshed < REFRESH_S:
                wanted = _affected(present, changed)
            else:
                refreshed = time.monotonic()
            ids = sorted(wanted)
            for start in range(0, len(ids), ACCOUNTS_AT_ONCE):
                _tell(present, load(ids[start : start + ACCOUNTS_AT_ONCE]))
                time.sleep(0)  # the chargers of this process have their turn


def _tell(present: Sequence[Watch], states: Mapping[int, State]) -> None:
    for watch in present:
        if watch.account_id in states:
            watch.offer(states[watch.account_id])


def load(account_ids: Collection[int]) -> dict[int, State]:
    """The present state of some accounts; holds no database connection afterwards."""
    work = db.session()
    try:
        sessions = defaultdict[int | None, list[Running]](list)
        for session in current(work, account_ids):
            sessions[session.transaction.account_id].append(session)
        return {
            account.id: state_of(account, sessions[account.id])
            for account in drivers.accounts(work, account_ids)
        }
    finally:
        db.session.remove()


def current(work: UnitOfWork, account_ids: Collection[int]) -> list[Running]:
    """What runs on these accounts, and whether its chargers are connected."""
    found = drivers.running(work, account_ids)
    connected = dispatch.connected({row.charger.charger_id for row in found}) if found else set()
    return drivers.on_outlets(found, connected)


def state_of(account: Account, sessions: Sequence[Running]) -> State:
    """An account's state, as it is sent."""
    return State(
        json.dumps(drivers.told(account, sessions)),
        frozenset(session.transaction.charger.charger_id for session in sessions),
        account.user.session_key if account.user.is_active else None,
    )


def _affected(present: Sequence[Watch], changed: Collection[str]) -> set[int]:
    """The accounts on which something runs, or has just ended, at one of these chargers."""
    if not changed:
        return set()
    try:
        now = drivers.places(db.session(), {watch.account_id for watch in present})
    finally:
        db.session.remove()
    return {
        watch.account_id
        for watch in present
        if not watch.places.isdisjoint(changed) or not now.get(watch.account_id, set()).isdisjoint(changed)
    }


def watchers_of(app: Flask) -> Watchers:
    """This application's watchers."""
    found: Watchers = app.extensions.setdefault("ocpp_watchers", Watchers())
    return found
