"""Jobs of the charging domain that run in the worker."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from flask import current_app

from app.blueprints.ocpp.fleet import job as fleet_job
from app.blueprints.ocpp.models import OcppMessage, Refusal
from app.blueprints.ocpp.services import retention, totals
from app.clock import utcnow
from app.db import db, unit_of_work

log = logging.getLogger(__name__)


@shared_task(name="ocpp.purge_messages", queue="maintenance")
def purge_messages() -> int:
    """Delete messages and refusals older than MESSAGE_RETENTION_DAYS, in short pieces; return how many."""
    before = utcnow() - timedelta(days=current_app.config["MESSAGE_RETENTION_DAYS"])
    purged = 0
    for model in (OcppMessage, Refusal):
        while True:
            with unit_of_work() as work:
                count = retention.purge_piece(work, model, before)
            purged += count
            if count < retention.PIECE:
                break
    return purged


@shared_task(name="ocpp.verify_totals", queue="maintenance")
def verify_totals() -> int:
    """Hold every account's totals against its rows; write what differs to the log, and return how many do."""
    wrong = 0
    for difference in totals.differences(db.session()):
        log.error("an account's totals are not the sum of its rows: %s", difference)
        wrong += 1
    return wrong


@shared_task(name="simulators.run", queue="simulators", acks_late=False)
def run_simulators() -> None:
    """Run the simulators that are wanted, for as long as any is; at most once at a time in a process.

    Acknowledged before it begins: what runs for hours must not be delivered again, and beat rings for what is
    lost.
    """
    fleet_job.job.run(current_app._get_current_object())  # type: ignore[attr-defined]
