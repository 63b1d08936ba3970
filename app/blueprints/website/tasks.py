"""Jobs of the installation as a whole that run in the worker."""

from __future__ import annotations

from celery import shared_task
from flask import current_app

from app import stopping
from app.backup import making
from app.db import db


@shared_task(name="website.back_up", queue="maintenance")
def back_up() -> str:
    """Make the nightly backup and delete old ones; return which file it is."""
    file, manifest = making.nightly(db.engine, current_app.config, stopping.check)
    megabytes = file.stat().st_size / 1024**2
    return f"{file.name}: {sum(manifest.rows.values())} rows, {megabytes:.1f} MB"
