"""Charging sessions: start, meter, stop; late, twice and out of order (OCPP 1.6, 4.8 and 4.10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext

from app.blueprints.ocpp.rows import ChargerRow, TransactionRow
from app.blueprints.ocpp.services import authorization, metering
from app.blueprints.ocpp.services.authorization import Verdict
from app.blueprints.ocpp.services.moments import Moment, credible
from app.blueprints.ocpp.work import Work
from app.domain_error import DomainError, NotFound

# Ends of transactions that a charger's own, late StopTransaction may still correct.
PROVISIONAL = {"stale", "closed_by_staff"}
MAX_ID = 2**31 - 1


@dataclass(slots=True)
class Stop:
    """A StopTransaction, as far as it could be understood."""

    transaction_id: int | None
    meter_stop_wh: int | None
    stopped_at: Moment
    id_tag: str = ""
    reason: str = "Local"
    readings: list[Any] = field(default_factory=list)
    # As the charger worded it, for the quarantine: the id that it claims, and everything.
    claimed: Any = None
    payload_json: str = "{}"


def start(
    work: Work, charger: ChargerRow, *, connector_id: int, id_tag: str, meter_start_wh: int,
    started_at: Moment, flags: str = "",
) -> tuple[TransactionRow, Verdict]:  # fmt: skip
    """Open a transaction, or record why it was refused: the charger may charge all the same.

    The same start again (charger, connector, tag, time, meter) gives the first one's row.
    """
    again = _running_start(work, charger, connector_id, id_tag, meter_start_wh, started_at)
    if again is not None:
        return again, _verdict_of(work, charger, again)
    verdict = decide(work, charger, connector_id, id_tag)
    transaction = TransactionRow(
        id=0, charger_id=charger.id, connector_id=connector_id, id_tag=id_tag, account_id=verdict.account_id,
        meter_start_wh=meter_start_wh, meter_last_wh=None, meter_stop_wh=None, energy_wh=0,
        started_at=started_at.at, stopped_at=None, stop_received_at=None, stop_reason="", stop_id_tag="",
        refused=verdict.reason, flags=" ".join(filter(None, (flags, started_at.odd))),
    )  # fmt: skip
    if not work.start(transaction):
        first = work.find_transaction(transaction.id)
        assert first is not None
        return first, _verdict_of(work, charger, first)
    if verdict.accepted:
        work.deliver(charger.id, credible(started_at, work.now), 0, sessions=1)
    _end_stale(work, charger, transaction, started_at)
    authorization.remember(work, charger, id_tag, "StartTransaction", verdict)
    work.changed(charger.charger_id)
    return transaction, verdict


def meter(
    work: Work, charger: ChargerRow, *, connector_id: int, transaction_id: int | None, meter_values: list[Any]
) -> TransactionRow | None:
    """Record readings; those of an unknown or absent transaction go to the connector's running one."""
    transaction = _own(work, charger, transaction_id) or _on_connector(work, charger, connector_id)
    newest = metering.record(work, charger, connector_id, transaction, meter_values)
    metering.show(work, charger, connector_id, newest)
    if transaction is not None and transaction.running and newest.register_wh is not None:
        metering.advance(work, transaction, newest.register_wh, newest.at or work.now)
    return transaction


def stop(work: Work, charger: ChargerRow, stop: Stop) -> Verdict | None:
    """End a transaction. What fits none goes to the quarantine; a retry changes nothing.

    Returns the verdict on the tag that stopped it, None when no tag was shown.
    """
    transaction = _own(work, charger, stop.transaction_id)
    verdict = _stopping_verdict(work, charger, transaction, stop.id_tag)
    if _settle(work, charger, transaction, stop) and verdict is not None:
        authorization.remember(work, charger, stop.id_tag, "StopTransaction", verdict)
    return verdict


def note(work: Work, transaction_id: int, word: str) -> None:
    """Flag a transaction, running or not, with what was odd about it."""
    transaction = work.find_transaction(transaction_id)
    if transaction is not None:
        transaction.flag(word)


def close(
    work: Work, transaction_id: int, *, at: datetime | None = None, word: str = "closed_by_staff"
) -> TransactionRow:
    """End a transaction whose charger never will, with its last reading. ``word``: one of ``PROVISIONAL``.

    Raises ``NotFound``, or ``DomainError`` when it has stopped already.
    """
    transaction = work.find_transaction(transaction_id) if 0 < transaction_id <= MAX_ID else None
    if transaction is None:
        raise NotFound(lazy_gettext("not found"))
    if not transaction.running:
        raise DomainError(lazy_gettext("the transaction has stopped already"))
    transaction.flag(word)
    charger = work.charger(transaction.charger_id)
    ended_at = max(transaction.started_at, at) if at else work.now
    _end(work, transaction, transaction.last_wh, Moment(ended_at), "Other")
    _idle(work, charger, transaction)
    return transaction


def decide(work: Work, charger: ChargerRow, connector_id: int, id_tag: str) -> Verdict:
    """Whether a (normalized) tag may start here, now: what Authorize says, and what only a start asks."""
    verdict = authorization.decide(work, charger, id_tag)
    reason = ""
    if charger.registration_status != "Accepted":
        reason = "not_registered"  # OCPP 1.6, 4.2
    elif verdict.accepted and authorization.charges_elsewhere(work, charger, connector_id, id_tag):
        reason = "concurrent"
    return Verdict(reason, verdict.account_id, verdict.expires_at, verdict.parent) if reason else verdict


def _verdict_of(work: Work, charger: ChargerRow, transaction: TransactionRow) -> Verdict:
    """What a repeated start is told: what the first one was."""
    tag = work.find_tag(transaction.id_tag) if transaction.id_tag else None
    return Verdict(
        transaction.refused,
        transaction.account_id,
        tag.expires_at if tag else None,
        tag.parent if tag else None,
    )


def _running_start(
    work: Work, charger: ChargerRow, connector_id: int, id_tag: str, meter_start_wh: int, started_at: Moment
) -> TransactionRow | None:
    """What this very start began and still runs. Two that tell no time are the same until energy flows."""
    for row in work.running(charger.id):
        if (row.connector_id, row.id_tag, row.meter_start_wh) != (connector_id, id_tag, meter_start_wh):
            continue
        timeless = (
            started_at.odd == "no_clock" and "no_clock" in row.flags.split() and row.meter_last_wh is None
        )
        if row.started_at == started_at.at or timeless:
            return row
    return None


def _own(work: Work, charger: ChargerRow, transaction_id: int | None) -> TransactionRow | None:
    """The transaction with this id, if it is this charger's."""
    if transaction_id is None or not 0 < transaction_id <= MAX_ID:
        return None
    for row in work.running(charger.id):
        if row.id == transaction_id:
            return row
    found = work.find_transaction(transaction_id)
    return found if found is not None and found.charger_id == charger.id else None


def _on_connector(work: Work, charger: ChargerRow, connector_id: int) -> TransactionRow | None:
    running = [row for row in work.running(charger.id) if row.connector_id == connector_id]
    return running[-1] if running else None


def _end_stale(work: Work, charger: ChargerRow, started: TransactionRow, started_at: Moment) -> None:
    """A connector charges one car: what ran there before has ended without a word.

    Unless it is newer: then this start arrived late, and its own stop will follow.
    """
    for row in work.running(charger.id):
        if row.id == started.id or _outlet(row.connector_id) != _outlet(started.connector_id):
            continue
        odd = {"late", "clock_ahead"} & set(row.flags.split())
        if row.started_at > started_at.at and not started_at.odd and not odd:
            started.flag("late")
            continue
        row.flag("stale")
        ended_at = max(row.started_at, credible(started_at, work.now))
        _end(work, row, row.last_wh, Moment(ended_at), "Other")


def _outlet(connector_id: int) -> int:
    """Numbers that no connector has are one: a charger that makes them up must not collect transactions."""
    return min(connector_id, metering.MAX_CONNECTOR_ID + 1)


def _settle(work: Work, charger: ChargerRow, transaction: TransactionRow | None, stop: Stop) -> bool:
    """Let a stop take effect; False when it has nothing to change (a retry)."""
    if transaction is None:
        return _quarantine(work, charger, stop)
    provisional = PROVISIONAL & set(transaction.flags.split())
    if not transaction.running and not provisional:
        return False
    for word in provisional:
        transaction.flags = " ".join(w if w != word else f"was_{word}" for w in transaction.flags.split())
    transaction.stop_id_tag = stop.id_tag
    told = metering.record(work, charger, transaction.connector_id, transaction, stop.readings)
    if stop.meter_stop_wh is None and told.register_wh is not None:
        metering.advance(work, transaction, told.register_wh, told.at or work.now)
    _end(work, transaction, stop.meter_stop_wh, stop.stopped_at, stop.reason)
    _idle(work, charger, transaction)
    return True


def _end(work: Work, transaction: TransactionRow, meter_stop_wh: int | None, at: Moment, reason: str) -> None:
    last_wh = transaction.last_wh
    if meter_stop_wh is None:
        transaction.flag("no_meter_stop")
        meter_stop_wh = last_wh
    if meter_stop_wh < last_wh:
        transaction.flag("meter_backwards")
    if at.odd:
        transaction.flag(at.odd)
    if at.at < transaction.started_at:
        transaction.flag("stopped_before_start")
    transaction.meter_stop_wh = meter_stop_wh
    transaction.stopped_at = at.at
    transaction.stop_received_at = work.now
    transaction.stop_reason = reason[:40]
    # A meter that ended below its start says nothing: what was metered on the way counts.
    counted_wh = meter_stop_wh if meter_stop_wh >= transaction.meter_start_wh else last_wh
    metering.set_energy(work, transaction, counted_wh - transaction.meter_start_wh, credible(at, work.now))


def _idle(work: Work, charger: ChargerRow, transaction: TransactionRow) -> None:
    """Nothing flows any more, unless another transaction runs there (this stop was late)."""
    if _on_connector(work, charger, transaction.connector_id) is None:
        newest = metering.Newest(power_w=0, register_wh=transaction.meter_stop_wh)
        metering.show(work, charger, transaction.connector_id, newest)
    work.changed(charger.charger_id)


def _stopping_verdict(
    work: Work, charger: ChargerRow, transaction: TransactionRow | None, id_tag: str
) -> Verdict | None:
    """A tag stops its own transaction and those of its group, unless staff blocked it (OCPP 1.6, 4.10)."""
    if not id_tag:
        return None
    verdict = authorization.decide(work, charger, id_tag)
    if transaction is None or verdict.accepted or verdict.reason in ("blocked", "expired"):
        return verdict
    stopper, starter = work.find_tag(id_tag), work.find_tag(transaction.id_tag)
    together = stopper and starter and stopper.parent and stopper.parent == starter.parent
    if id_tag == transaction.id_tag or together:
        return Verdict("", verdict.account_id, verdict.expires_at, verdict.parent)
    return verdict


def _quarantine(work: Work, charger: ChargerRow, stop: Stop) -> bool:
    """Keep a stop that fits nothing, for staff; False when it is there already."""
    told = stop.transaction_id if stop.claimed is None else stop.claimed
    claimed = "" if told is None else str(told)[:255]
    if work.is_odd_stop_known(charger, claimed, stop.payload_json):
        return False
    why = _why_odd(work, stop) if claimed else "missing"
    work.add("odd_stop", (charger.id, work.stored_now, why, claimed, stop.payload_json, ""))
    return True


def _why_odd(work: Work, stop: Stop) -> str:
    id = stop.transaction_id
    if id is not None and id <= 0:
        return "not_positive"
    return "foreign" if id is not None and id <= MAX_ID and work.find_transaction(id) else "unknown"
