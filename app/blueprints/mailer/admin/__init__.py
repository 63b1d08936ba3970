"""Staff screens: templates with their preview, and the queue."""

from __future__ import annotations

from flask_babel import lazy_gettext

from app.admin_base import StaffView
from app.blueprints.mailer.admin.queue import MailAdmin
from app.blueprints.mailer.admin.templates import TemplateAdmin
from app.blueprints.mailer.models import EmailTemplate, QueuedEmail
from app.db import db

CATEGORY = lazy_gettext("Mail")


def views() -> list[StaffView]:
    """What the admin hangs up, in the order of its menu."""
    queue, templates = lazy_gettext("Mail queue"), lazy_gettext("Mail templates")
    return [
        MailAdmin(QueuedEmail, db, queue, CATEGORY, "admin_mail", "mails"),
        TemplateAdmin(EmailTemplate, db, templates, CATEGORY, "admin_mail_template", "mail-templates"),
    ]
