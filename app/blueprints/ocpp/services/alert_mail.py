"""Alerts by mail: one letter to each receiver, in their language, however many alerts there are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from flask_babel import force_locale, gettext, ngettext
from sqlalchemy import select

from app import mail
from app.blueprints.accounts.models import User
from app.blueprints.ocpp import words
from app.blueprints.ocpp.models import Alert
from app.db import UnitOfWork
from app.domain_error import DomainError
from app.language import locale_of

log = logging.getLogger(__name__)

TEMPLATE = "alert"
# Alerts that a letter names; of the others it says how many there are.
NAMED = 50


def receivers(work: UnitOfWork, addresses: str, language: str) -> dict[str, str]:
    """Address → language: those that ALERT_MAIL names, else every active member of staff who has an address.

    ``language`` is the site's, for who has not chosen one.
    """
    named = [address.strip() for address in addresses.split(",") if address.strip()]
    people = select(User.email, User.language).where(User.email != "", User.is_active)
    people = people.where(User.email.in_(named)) if named else people.where(User.is_staff)
    known = {email: spoken or language for email, spoken in work.execute(people.order_by(User.id.desc()))}
    return {address: known.get(address, language) for address in named} if named else known


def send(
    work: UnitOfWork, alerts: Sequence[Alert], receivers: dict[str, str], link: str, now: datetime
) -> int:
    """Queue the letters, and note on the alerts that they went out; return how many letters there are."""
    queued = 0
    for address, language in receivers.items():
        try:
            mail.queue(work, letter(alerts, address, language, link))
            queued += 1
        except DomainError as refusal:
            log.warning("alerts cannot be mailed to %s: %s", address, refusal.detail)
    if queued:
        for row in alerts:
            row.mailed_at = now
    return queued


def letter(alerts: Sequence[Alert], address: str, language: str, link: str) -> mail.Letter:
    """One receiver's letter."""
    with force_locale(locale_of(language)):
        lines = [" ".join(words.alert(row).split()) for row in alerts[:NAMED]]
        if more := len(alerts) - len(lines):
            lines.append(ngettext("and %(num)d more", "and %(num)d more", more))
        one, many = gettext("Constellation: {first}"), gettext("Constellation: {count} alerts")
        return mail.Letter(
            to=address,
            template=TEMPLATE,
            subject=one if len(alerts) == 1 else many,
            body=gettext("{alerts}\n\nSee {link}\n"),
            context={
                "first": lines[0][:200],
                "count": str(len(alerts)),
                "alerts": "\n".join(f"- {line}" for line in lines),
                "link": link,
            },
            language=language,
        )
