"""The worker's queues. Apart, because the supervisor starts faster without Celery."""

QUEUES = ("mail", "odoo", "simulators", "maintenance")
