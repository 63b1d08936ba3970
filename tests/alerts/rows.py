"""What alerts there are, and how there comes to be one."""

from __future__ import annotations

from sqlalchemy import select

from app.blueprints.ocpp.models import Alert
from tests.factories import ChargerFactory


def rows(work, kind=""):
    work.rollback()
    chosen = select(Alert).order_by(Alert.id).execution_options(populate_existing=True)
    return [row for row in work.scalars(chosen) if kind in ("", row.kind)]


def silent(work, place, **columns):
    charger = ChargerFactory(last_seen=place.now, **columns)
    work.commit()
    place.pass_time(17)
    return charger
