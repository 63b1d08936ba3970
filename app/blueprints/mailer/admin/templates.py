"""The staff screen of templates, with a preview that follows the typing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from flask_admin import expose
from flask_babel import gettext, lazy_gettext
from wtforms import Field, Form, ValidationError
from wtforms.validators import DataRequired

from app import mail
from app.admin_base import StaffView
from app.blueprints.mailer.admin.fields import ValuesField, values
from app.blueprints.mailer.errors import BadTemplate, IncompleteTemplate, TooLong
from app.blueprints.mailer.models import EmailTemplate
from app.blueprints.mailer.services import templates
from app.blueprints.mailer.services.templates import PARTS, Texts
from app.db import UnitOfWork


def _part(part: str) -> Callable[[Form, Field], None]:
    """The validator that asks what the JSON address asks; what is kept is the field's data."""

    def validate(form: Form, field: Field) -> None:
        try:
            field.data = templates.checked_part(part, field.data or "", (form.name.data or "").strip())
        except BadTemplate as refusal:
            raise ValidationError(refusal.reason) from refusal

    return validate


def _name(_form: Form, field: Field) -> None:
    try:
        field.data = templates.checked_name(field.data or "")
    except BadTemplate as refusal:
        raise ValidationError(refusal.reason) from refusal
    except IncompleteTemplate:
        raise ValidationError(gettext("This field is required.")) from None


def _asked(_view: Any, _context: Any, template: EmailTemplate, _name: str) -> str:
    return ", ".join(f"{{{name}}}" for name in Texts.of(template).placeholders())


def _kinds(_view: Any, _context: Any, template: EmailTemplate, _name: str) -> str:
    return gettext("text and HTML") if template.html else gettext("text")


class TemplateAdmin(StaffView):
    """What mails say. The preview shows how, as it is typed."""

    create_template = "mailer/admin/create_template.html"
    edit_template = "mailer/admin/edit_template.html"
    column_list = ("name", "subject", "placeholders", "kinds")
    column_details_list = ("name", "subject", "placeholders", "body", "html")
    column_searchable_list = ("name", "subject", "body")
    column_filters = ("name", "subject")
    column_sortable_list = ("name", "subject")
    column_default_sort = "name"
    column_formatters = {"placeholders": _asked, "kinds": _kinds}
    column_formatters_detail = column_formatters
    column_labels = {
        "name": lazy_gettext("Name"),
        "subject": lazy_gettext("Subject"),
        "body": lazy_gettext("Text"),
        "html": lazy_gettext("HTML"),
        "placeholders": lazy_gettext("Placeholders"),
        "kinds": lazy_gettext("Kind"),
        "sample": lazy_gettext("Sample values"),
    }
    form_columns = ("name", "subject", "body", "html", "sample")
    form_extra_fields = {
        "sample": ValuesField(
            lazy_gettext("Sample values"),
            description=lazy_gettext("For the preview alone: name = value, on a line each."),
        )
    }
    form_args = {
        "name": {
            "validators": [_name],
            "description": lazy_gettext("With .es or .en at its end: for readers of that language."),
        },
        "subject": {"validators": [DataRequired(), _part("subject")]},
        "body": {"validators": [DataRequired(), _part("body")]},
        "html": {
            "validators": [_part("html")],
            "description": lazy_gettext(
                "The same text in HTML, for programs that show it. Empty: plain text alone."
            ),
        },
    }
    form_widget_args = {"body": {"rows": 10}, "html": {"rows": 6}, "sample": {"rows": 3}}

    def make(self, work: UnitOfWork, form: Form) -> EmailTemplate:
        """A new template."""
        template = EmailTemplate()
        self.change(work, form, template)
        work.add(template)
        return template

    def change(self, work: UnitOfWork, form: Form, row: EmailTemplate) -> None:
        """Write the form; the sample is not kept."""
        row.name = form.name.data
        row.subject, row.body, row.html = form.subject.data, form.body.data, form.html.data

    @expose("/preview/", methods=("POST",))
    def preview(self) -> Any:
        """A template as its readers would see it, or what is wrong with it."""
        texts = Texts(*(request.form.get(part, "") for part in PARTS))
        problems = _problems(texts, request.form.get("name", "").strip())
        sample: dict[str, str] = {}
        try:
            sample = values(request.form.get("sample", ""))
        except ValidationError as refusal:
            problems.append(f"{self.column_labels['sample']}: {refusal}")
        shown, asked = None, [] if problems else texts.placeholders()
        if not problems:
            try:
                shown = texts.filled({name: f"‹{name}›" for name in asked} | sample)
            except TooLong as refusal:
                problems.append(refusal.detail)
        part = request.headers.get("X-Requested-With") == "fetch"
        page = "mailer/admin/_preview.html" if part else "mailer/admin/preview.html"
        return self.render(
            page, shown=shown, problems=problems, asked=asked,
            unfilled=[name for name in asked if name not in sample],
        )  # fmt: skip

    def render(self, template: str, **kwargs: Any) -> Any:
        """Pages with the form tell which letters the program sends itself."""
        return super().render(template, letters=sorted(mail.PLACEHOLDERS.items()), **kwargs)


def _problems(texts: Texts, name: str) -> list[str]:
    found = []
    for part in PARTS:
        try:
            templates.checked_part(part, getattr(texts, part), name)
        except BadTemplate as refusal:
            found.append(f"{TemplateAdmin.column_labels[part]}: {refusal.reason}")
    return found
