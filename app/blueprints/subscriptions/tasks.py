"""Jobs of subscriptions that run in the worker."""

from __future__ import annotations

from celery import shared_task
from flask import current_app

from app import clock
from app.blueprints.subscriptions import services
from app.db import unit_of_work


@shared_task(name="subscriptions.renew_due", queue="maintenance")
def renew_due() -> int:
    """Renew every subscription that is due, in short pieces; return how many. Safe to run twice."""
    today, language = clock.today(current_app.config["TIME_ZONE"]), current_app.config["LANGUAGE_CODE"]
    renewed = 0
    while True:
        with unit_of_work() as work:
            count = len(services.renew_piece(work, today, language))
        renewed += count
        if count < services.PIECE:
            return renewed
