"""A charger's landing page: its address, and whether the driver beside it may start.

What stands in the way is told in words of ``landing_words.OUTCOMES``; who is connected is told by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Select, or_, select
from sqlalchemy.orm import joinedload

from app.blueprints.accounts.models import RFID, Account, User
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.services import drivers, overview, rehearsal
from app.blueprints.ocpp.services.overview import Outlet, Overview, iso
from app.blueprints.qrcodes import services as qrcodes
from app.clock import utcnow
from app.db import UnitOfWork

# Statuses (OCPP 1.6, 7.7) in which a car charges, or the outlet serves nobody.
_BUSY = ("Charging", "SuspendedEV", "SuspendedEVSE")
_OUT = ("Faulted", "Unavailable")


@dataclass(frozen=True)
class Standing:
    """How a driver stands at one charger."""

    account: Account | None
    # Those that may charge, in the order in which they were given out: the first is taken unless they choose.
    cards: Sequence[RFID]
    # Their own sessions that run here.
    running: Sequence[drivers.Running]

    @property
    def obstacle(self) -> str:
        """Why they may not start anywhere; empty when they may."""
        if self.account is None:
            return "no_account"
        if not self.cards:
            return "no_card"
        return "" if self.account.may_charge() else "no_credit"


def standing(work: UnitOfWork, user: User, charger: Charger, *, connected: bool) -> Standing:
    """How this driver stands at this charger."""
    account = drivers.find_account(work, user.id)
    mine = drivers.running(work, [account.id]) if account else []
    here = [row for row in mine if row.charger_id == charger.id]
    present = {charger.charger_id} if connected else set()
    return Standing(account, cards(work, user), drivers.on_outlets(here, present))


def cards(work: UnitOfWork, user: User) -> Sequence[RFID]:
    """The cards of a user that may charge."""
    chosen = select(RFID).where(RFID.user_id == user.id, RFID.allowed)
    chosen = chosen.where(or_(RFID.expires_at.is_(None), RFID.expires_at > utcnow()))
    return work.scalars(chosen.order_by(RFID.id).limit(drivers.MAX_BELONGINGS)).all()


def obstacle(outlet: Outlet) -> str:
    """Why nobody can start at this outlet."""
    if outlet.running or outlet.status in _BUSY:
        return "busy"
    return "out_of_service" if outlet.status in _OUT else ""


def obstacle_of(seen: Overview) -> str:
    """Why nobody can start at this charger."""
    if seen.charger.blocked or seen.charger.registration_status != "Accepted":
        return "out_of_service"
    if not seen.connected:
        return "offline"
    if any(row.connector_id == 0 and row.status in _OUT for row in seen.connectors):
        return "out_of_service"
    obstacles = [obstacle(outlet) for outlet in seen.outlets]
    if not obstacles or not all(obstacles):
        return ""
    return "busy" if "busy" in obstacles else "out_of_service"


def free(seen: Overview) -> list[int]:
    """The connectors at which somebody could start. Of a charger that has named none: none."""
    return [] if obstacle_of(seen) else [one.connector_id for one in seen.outlets if not obstacle(one)]


def obstacle_at(seen: Overview, connector_id: int | None) -> str:
    """Why nobody can start at this connector; None leaves the choice to the charger."""
    if found := obstacle_of(seen):
        return found
    if connector_id is None:
        return ""
    outlets = {outlet.connector_id: outlet for outlet in seen.outlets}
    if not outlets and connector_id == 1:
        return ""
    return obstacle(outlets[connector_id]) if connector_id in outlets else "no_connector"


def refusal(work: UnitOfWork, connection: Connection, charger: Charger, card: RFID) -> str:
    """Why the charger would be told no if it asked about this card now, by the rule of the chargers.

    ``connection`` is for this alone: see ``rehearsal.tried``.
    """
    (trial,) = rehearsal.tried(work, connection, charger, tags=[card.rfid], accounts=())
    return trial.verdict.reason


def told(seen: Overview, today_wh: int) -> dict[str, Any]:
    """A charger's state and its current transaction, for anyone: never id tags or accounts."""
    return {**overview.public(seen, today_wh), "transaction": _transaction(seen)}


def _transaction(seen: Overview) -> dict[str, Any] | None:
    if not seen.running:
        return None
    row = seen.running[0]
    return {
        "transactionId": row.id,
        "connectorId": row.connector_id,
        "meterStart": row.meter_start_wh,
        "startTime": iso(row.started_at),
        "energyWh": row.energy_wh,
    }


def address(public_url: str, charger_id: str) -> str:
    """Where a charger's landing page is, for whoever scans its label."""
    return f"{public_url}/ocpp/c/{quote(charger_id)}/"


def is_linked(charger: Charger, public_url: str) -> bool:
    """Whether the charger's QR code leads to where its landing page is now."""
    return charger.qr is not None and charger.qr.value == address(public_url, charger.charger_id)


def link(work: UnitOfWork, chargers: Iterable[Charger], public_url: str) -> None:
    """Give chargers their QR codes, and new ones where the address has changed."""
    addresses = {
        charger: address(public_url, charger.charger_id)
        for charger in chargers
        if not is_linked(charger, public_url)
    }
    links = qrcodes.find_or_make(work, addresses.values())
    for charger, value in addresses.items():
        charger.qr = links[value]


def chosen(rows: Select[Any], ids: Collection[int], query: str) -> Select[Any]:
    """Those of some rows of chargers that were chosen one by one, or all; with ``query`` in id or name."""
    if ids:
        rows = rows.where(Charger.id.in_(ids))
    return overview.matching(rows, query)


def with_links(work: UnitOfWork, rows: Select[Any]) -> Sequence[Charger]:
    """Chargers with their QR codes at hand, as the database has them now."""
    found: Sequence[Charger] = work.scalars(
        rows.options(joinedload(Charger.qr)).execution_options(populate_existing=True)
    ).all()
    return found
