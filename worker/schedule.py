"""What runs on its own, and how often."""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
}
