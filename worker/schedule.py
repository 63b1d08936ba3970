"""What runs on its own, and how often."""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
    # Staff ring when they start simulators; this is for what nobody rang for. A bell is of no use for long.
    "run simulators": {"task": "simulators.run", "schedule": 15.0, "options": {"expires": 15}},
    # Every hour: midnight comes at another one in every zone.
    "renew subscriptions": {"task": "subscriptions.renew_due", "schedule": crontab(minute="7")},
}
