"""What runs on its own, and how often: crontabs in the site's zone, or seconds. Each task stands on one line.

The ledger (``app.jobs.ledger``) sees to it that a job runs once for each time, and never twice at once.
"""

from __future__ import annotations

from celery.schedules import crontab

SCHEDULE = {
    "send mail": {"task": "mailer.send_queued", "schedule": crontab()},
    "purge messages": {"task": "ocpp.purge_messages", "schedule": crontab(minute="17", hour="*/6")},
    "verify totals": {"task": "ocpp.verify_totals", "schedule": crontab(minute="45", hour="2")},
    # Finds what is due by ODOO_CHECK_MINUTES, and what nobody rang for.
    "check odoo instances": {"task": "odoo.check_instances", "schedule": crontab()},
    # Staff ring when they start simulators; this is for what nobody rang for.
    "run simulators": {"task": "simulators.run", "schedule": 15.0},
    # What nobody rang for: the broker was away, or a worker died.
    "find files of tags": {"task": "accounts.find_tag_files", "schedule": crontab()},
    "tidy files of tags": {"task": "accounts.tidy_tag_files", "schedule": crontab(minute="41", hour="4")},
    "end stale transactions": {"task": "ocpp.end_stale", "schedule": crontab(minute="37")},
    "check chargers": {"task": "ocpp.check_chargers", "schedule": crontab()},
    "check disks": {"task": "ocpp.check_disk", "schedule": crontab(minute="*/5")},
    "sweep": {"task": "ocpp.sweep", "schedule": crontab(minute="47")},
    # A quiet hour of the site; a night that was missed is made up for.
    "back up": {"task": "website.back_up", "schedule": crontab(minute="15", hour="3")},
    # Every hour: midnight comes at another one in every zone.
    "renew subscriptions": {"task": "subscriptions.renew_due", "schedule": crontab(minute="7")},
}
