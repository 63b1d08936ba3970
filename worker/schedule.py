"""What runs on its own, and how often."""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    # One that nobody took in time is pointless: the next one does the same.
    "send mail": {"task": "mailer.send_queued", "schedule": crontab(), "options": {"expires": 55}},
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
    "verify totals": {"task": "ocpp.verify_totals", "schedule": crontab(minute="41", hour="9")},
    # Finds what is due by ODOO_CHECK_MINUTES, and what nobody rang for.
    "check odoo instances": {
        "task": "odoo.check_instances",
        "schedule": crontab(),
        "options": {"expires": 55},
    },
    # Staff ring when they start simulators; this is for what nobody rang for. A bell is of no use for long.
    "run simulators": {"task": "simulators.run", "schedule": 15.0, "options": {"expires": 15}},
    # What nobody rang for: the broker was away, or a worker died.
    "find files of tags": {"task": "accounts.find_tag_files", "schedule": crontab()},
    "tidy files of tags": {"task": "accounts.tidy_tag_files", "schedule": crontab(minute="41", hour="4")},
    # Every hour: midnight comes at another one in every zone.
    "renew subscriptions": {"task": "subscriptions.renew_due", "schedule": crontab(minute="7")},
}
