"""Jobs of the mailer that run in the worker."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from app.blueprints.mailer import delivery


@shared_task(name="mailer.send_queued", queue="mail")
def send_queued() -> int:
    """Send what is due; return how many mails that were. Safe to run twice, and twice at once."""
    return delivery.send_due().sent


@worker_shutting_down.connect
def _stop(**_kwargs: Any) -> None:
    """Mails in hand are finished, the others handed back."""
    delivery.stop()
