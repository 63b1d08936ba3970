"""What tests of the staff screens look for."""

from __future__ import annotations

import html
import re

from sqlalchemy import func, select

from app.blueprints.accounts.models import AuditEntry

SCREENS = ["users", "rfids", "accounts", "credits", "vehicles", "tokens", "audit", "tag-imports"]


def messages(answer):
    """The sentences of the alerts on a page, without markup."""
    return html.unescape(
        " ".join(re.findall(r'class="alert[^>]*>.*?</button>\s*(.*?)\s*</div>', answer.text, re.S))
    )


def actions(work):
    return [(entry.username, entry.action, entry.subject) for entry in work.scalars(select(AuditEntry))]


def count(work, model):
    return work.scalar(select(func.count()).select_from(model))
