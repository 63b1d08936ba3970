"""The fleet's ledger in the database: what is read goes on, what is written is one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask

from app import leases
from app.blueprints.ocpp.fleet.fleet import LEASE_S, Look
from app.blueprints.ocpp.fleet.member import Assignment, Report
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulator_work
from app.db import db, unit_of_work


class DatabaseLedger:
    """See ``fleet.Ledger``. One holder for each run of the fleet."""

    def __init__(self, app: Flask, holder: str) -> None:
        self._app = app
        self._holder = holder

    def look(self, reports: Sequence[Report], *, held: Sequence[int], renew: bool, room: int) -> Look:
        """Look at what is wanted, and write only where there is something to write."""
        with self._app.app_context():
            standing = simulator_work.standing(db.session(), self._holder)
            # After the machine has slept, leases may have run out that nobody was awake to take.
            due = held if renew else standing.lapsed.intersection(held)
            renewed: set[int] = set()
            taken: list[Assignment] = []
            if reports or due or (standing.has_free and room):
                with unit_of_work() as work:
                    simulator_work.write_down(work, self._holder, reports)
                    renewed = leases.renew(work, Simulator, due, holder=self._holder, seconds=LEASE_S)
                    taken = simulator_work.take_up(work, self._holder, room) if room else []
            return Look(
                wanted=standing.wanted, ours=standing.ours, others=standing.others,
                renewed=frozenset(renewed), taken=taken,
            )  # fmt: skip
