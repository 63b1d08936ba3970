"""What runs on its own, and how often."""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
    # What nobody rang for: the broker was away, or a worker died.
    "find files of tags": {"task": "accounts.find_tag_files", "schedule": crontab()},
    "tidy files of tags": {"task": "accounts.tidy_tag_files", "schedule": crontab(minute="41", hour="4")},
    # Every hour: midnight comes at another one in every zone.
    "renew subscriptions": {"task": "subscriptions.renew_due", "schedule": crontab(minute="7")},
}
