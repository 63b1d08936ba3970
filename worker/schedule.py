"""What runs on its own, and how often: crontabs in the site's zone, or seconds. Each task stands on one line.

The ledger (``app.jobs.ledger``) sees to it that a job runs once for each time, and never twice at once.
"""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
    # Every hour: midnight comes at another one in every zone.
    "renew subscriptions": {"task": "subscriptions.renew_due", "schedule": crontab(minute="7")},
}
