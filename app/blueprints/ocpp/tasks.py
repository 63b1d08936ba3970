"""Jobs of the charging domain that run in the worker."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from celery import shared_task
from flask import current_app

from app import disk, stopping
from app.blueprints.ocpp.errors import BooksDiffer
from app.blueprints.ocpp.fleet import job as fleet_job
from app.blueprints.ocpp.models import OcppMessage, Refusal
from app.blueprints.ocpp.services import alert_mail, alerts, retention, stale, totals
from app.blueprints.ocpp.terms import Settings
from app.blueprints.ocpp.work import Work
from app.clock import utcnow
from app.db import db, unit_of_work
from app.jobs import presence

log = logging.getLogger(__name__)
T = TypeVar("T")


@shared_task(name="ocpp.purge_messages", queue="maintenance")
def purge_messages() -> int:
    """Delete messages and refusals older than MESSAGE_RETENTION_DAYS, in short pieces; return how many."""
    before = utcnow() - timedelta(days=current_app.config["MESSAGE_RETENTION_DAYS"])
    purged = 0
    for model in (OcppMessage, Refusal):
        while True:
            stopping.check()
            with unit_of_work() as work:
                count = retention.purge_piece(work, model, before)
            purged += count
            if count < retention.PIECE:
                break
    return purged


@shared_task(name="ocpp.verify_totals", queue="maintenance")
def verify_totals() -> int:
    """Hold every account's totals against its rows; return how many there are.

    What differs is written to the log, and the run has failed, so that staff see it. Raises ``BooksDiffer``.
    """
    wrong = 0
    for difference in totals.differences(db.session()):
        log.error("an account's totals are not the sum of its rows: %s", difference)
        wrong += 1
    if wrong:
        raise BooksDiffer(wrong)
    return totals.count(db.session())


@shared_task(name="simulators.run", queue="simulators")
def run_simulators() -> None:
    """Run the simulators that are wanted, for as long as any is; at most once at a time in a process."""
    fleet_job.job.run(current_app._get_current_object())  # type: ignore[attr-defined]


@shared_task(name="ocpp.end_stale", queue="maintenance")
def end_stale() -> int:
    """End transactions of chargers long silent, and of connectors long free; return how many."""
    now = utcnow()
    before = now - timedelta(days=current_app.config["STALE_TRANSACTION_DAYS"])
    work = db.session()
    found = dict([*stale.of_free_connectors(work, now), *stale.of_silent_chargers(work, before)])
    ended = 0
    for piece in _pieces(list(found.items()), stale.PIECE):
        stopping.check()
        ended += _by_the_rules(lambda rules, piece=piece: stale.close(rules, piece))  # type: ignore[misc]
    return ended


@shared_task(name="ocpp.check_chargers", queue="maintenance")
def check_chargers() -> str:
    """Begin and end the alerts of silent and faulty chargers, and mail what is new."""
    now, after = utcnow(), timedelta(minutes=current_app.config["SILENT_AFTER_MINUTES"])
    work = db.session()
    heard_since = presence.hearing_since(work)
    silent = alerts.compare(work, f"{alerts.SILENT}:", alerts.silent_chargers(work, now - after))
    faulty = alerts.compare(work, f"{alerts.FAULT}:", alerts.faults(work, now))
    # While nobody listened nobody could be heard; then chargers have as long to come back.
    may_judge = heard_since is not None and heard_since <= now - after
    begun = _settle(silent, may_begin=may_judge) + _settle(faulty)
    mails = _mail_alerts()
    return f"{begun} new, {len(silent.end) + len(faulty.end)} over, {mails} mails"


@shared_task(name="ocpp.check_disk", queue="maintenance")
def check_disk() -> str:
    """Begin and end the alerts of this machine's disks that fill up; return how much room each has."""
    rooms, host = disk.rooms(current_app.config), socket.gethostname()[:60]
    low = alerts.low_disks(host, rooms, utcnow())
    changes = alerts.compare(db.session(), f"{alerts.DISK}:{host}:", low)
    _settle(changes)
    return ", ".join(f"{room.folder}: {room.share:.0%} free" for room in rooms)


@shared_task(name="ocpp.sweep", queue="maintenance")
def sweep() -> str:
    """Remove what the dead have left behind: presence of processes, old alerts."""
    now = utcnow()
    with unit_of_work() as work:
        processes, old = presence.forget_the_dead(work), alerts.forget(work, now)
    bus = current_app.extensions["ocpp"].bus
    ghosts = bus.sweep() if bus is not None else 0
    return f"{processes} processes, {ghosts} of the bus, {old} alerts"


def _settle(changes: alerts.Changes, *, may_begin: bool = True) -> int:
    """Write down what has changed, in short pieces; return how many alerts are new."""
    now, new = utcnow(), changes.begin if may_begin else []
    for piece in _pieces(new, alerts.PIECE):
        with unit_of_work() as work:
            alerts.begin(work, piece, now)
    for ids in _pieces(changes.end, alerts.PIECE):
        with unit_of_work() as work:
            alerts.end(work, ids, now)
    if changes.reword:
        with unit_of_work() as work:
            alerts.reword(work, changes.reword)
    return len(new)


def _mail_alerts() -> int:
    config, now = current_app.config, utcnow()
    # Without a mail server letters would pile up, and tell of what has long been over when there is one.
    if not config["SMTP_HOST"] or not alerts.to_mail(db.session(), now):
        return 0
    with unit_of_work() as work:
        found = alerts.to_mail(work, now)
        receivers = alert_mail.receivers(work, config["ALERT_MAIL"], config["LANGUAGE_CODE"])
        return alert_mail.send(work, found, receivers, f"{config['PUBLIC_URL']}/admin/alert/", now)


def _by_the_rules(function: Callable[[Work], T]) -> T:
    """Run rules in a unit of work of their own: the worker has no journal."""
    config = current_app.config
    with unit_of_work() as session:
        settings = Settings(
            config["OCPP_HEARTBEAT_INTERVAL"], config["OCPP_REQUIRE_RFID"], config["TIME_ZONE"]
        )
        work = Work(session.connection(), settings)
        result = function(work)
        work.flush()
    current_app.extensions["ocpp"].live.touch(work.news.changed)
    return result


def _pieces(rows: Sequence[T], length: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + length] for start in range(0, len(rows), length))
