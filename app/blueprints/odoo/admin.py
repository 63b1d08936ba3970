"""Staff screens of Odoo instances: whether they answer, since when not, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import flash, request, url_for
from flask_admin import expose
from flask_admin.actions import action
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup
from wtforms import Field, Form, PasswordField, ValidationError
from wtforms.validators import Length

from app import doorbell
from app.admin_base import StaffView
from app.blueprints.odoo import forms, services, tasks, words
from app.blueprints.odoo.models import Instance, InstanceCheck
from app.db import UnitOfWork, db
from app.domain_error import DomainError

# Checks in the picture of an instance's page, and in the table below it.
PICTURED, LISTED = 200, 30


def _read_by(parse: Callable[[Any], str]) -> Callable[[Form, Field], None]:
    """The validator that reads a field as a form does."""

    def validate(_form: Form, field: Field) -> None:
        try:
            field.data = parse(field.data)
        except DomainError as refusal:
            raise ValidationError(refusal.detail) from refusal

    return validate


def _password(form: Form, field: Field) -> None:
    """Needed for a new instance, and where the one that is kept would go to another server."""
    known: Instance | None = getattr(form, "_obj", None)
    try:
        forms.password(field.data, form.url.data, known.url if known else None)
    except DomainError as refusal:
        raise ValidationError(refusal.detail) from refusal


class NewPasswordField(PasswordField):
    """Goes onto the row when it is not empty; what was typed is never shown again."""

    def populate_obj(self, obj: Any, name: str) -> None:
        """An empty field leaves the password as it is."""
        if self.data:
            obj.password = self.data


def _part(name: str) -> Callable[..., Markup]:
    """A cell that the page's script keeps up to date."""

    def cell(_view: Any, _context: Any, instance: Instance, _name: str) -> Markup:
        return Markup('<span data-odoo="{}" data-odoo-part="{}">{}</span>').format(
            instance.id, name, words.told(instance)[name]
        )

    return cell


def _state(_view: Any, _context: Any, instance: Instance, _name: str) -> Markup:
    told = words.told(instance)
    return Markup(
        '<span class="badge badge-{}" data-odoo="{}" data-odoo-part="state"{}>{}</span> '
        '<small class="d-block text-break" data-odoo="{}" data-odoo-part="sentence">{}</small>'
    ).format(
        told["colour"], instance.id, Markup(" data-odoo-busy") if told["busy"] else "", told["state"],
        instance.id, told["sentence"],
    )  # fmt: skip


class InstanceAdmin(StaffView):
    """Odoo servers. A password goes in, and never comes out again."""

    list_template = "odoo/admin/list.html"
    details_template = "odoo/admin/instance.html"
    column_list = ("name", "url", "database", "username", "state", "last_checked_at", "last_ok_at", "version")
    column_details_list = (
        *("name", "url", "database", "username", "version"),
        *("asked_at", "last_checked_at", "last_ok_at"),
    )
    column_searchable_list = ("name", "url", "database", "username")
    column_filters = ("name", "url", "database", "last_checked_at", "last_ok_at")
    column_sortable_list = ("name", "url", "database", "username", "last_checked_at", "last_ok_at", "version")
    column_default_sort = "name"
    column_formatters = {
        "state": _state,
        "last_checked_at": _part("last_checked_at"),
        "last_ok_at": _part("last_ok_at"),
        "version": _part("version"),
    }
    column_formatters_detail: dict[str, Any] = {}
    column_labels = {
        "name": lazy_gettext("Name"),
        "url": lazy_gettext("Address"),
        "database": lazy_gettext("Database"),
        "username": lazy_gettext("User name"),
        "state": lazy_gettext("State"),
        "asked_at": lazy_gettext("Waiting since"),
        "last_checked_at": lazy_gettext("Last check"),
        "last_ok_at": lazy_gettext("Last good"),
        "version": lazy_gettext("Odoo"),
    }
    form_columns = ("name", "url", "database", "username", "new_password")
    form_args = {
        "name": {"validators": [_read_by(forms.text)]},
        "url": {
            "validators": [_read_by(forms.url)],
            "description": lazy_gettext("Of the server alone, such as https://odoo.example.com"),
        },
        "database": {"validators": [_read_by(forms.text)]},
        "username": {"validators": [_read_by(forms.text)]},
    }
    form_extra_fields = {
        "new_password": NewPasswordField(
            lazy_gettext("Password, or API key"),
            [Length(max=forms.LONGEST_PASSWORD), _password],
            description=lazy_gettext("Kept encrypted, and never shown again. Empty: unchanged."),
            render_kw={"autocomplete": "new-password"},
        )
    }

    def make(self, work: UnitOfWork, form: Form) -> Instance:
        """A new instance; it is checked at once."""
        row: Instance = super().make(work, form)
        services.ask_anew(row)
        return row

    def change(self, work: UnitOfWork, form: Form, row: Instance) -> None:
        """Write the form; another login is checked at once."""
        before = services.login_of(row)
        form.populate_obj(row)
        if services.login_of(row) != before:
            services.ask_anew(row)

    def after_model_change(self, form: Form, model: Instance, is_created: bool) -> None:
        """Tell the worker."""
        doorbell.ring(tasks.check_instances)

    def remove(self, work: UnitOfWork, row: Instance) -> None:
        """Delete an instance, and the history of its checks."""
        services.remove(work, row)
        super().remove(work, row)

    @action("test", lazy_gettext("Test connection"))
    def action_test(self, ids: Sequence[str]) -> None:
        """Have the worker check instances; the page shows what comes of it."""
        if count := self.change_each(ids, "test connection", lambda _work, row: services.ask(row)):
            doorbell.ring(tasks.check_instances)
            flash(ngettext("%(num)d check is on its way.", "%(num)d checks are on their way.", count), "info")

    @expose("/states/")
    def states(self) -> Any:
        """How the instances ``id`` are at the moment, for the script of the pages."""
        rows = [row for row in map(self.get_one, request.args.getlist("id")) if row is not None]
        return {"states": [words.told(row) for row in rows]}

    def render(self, template: str, **kwargs: Any) -> Any:
        """An instance's page shows its history."""
        if template == self.details_template:
            checks = services.newest_checks(db.session(), kwargs["model"], PICTURED)
            kwargs |= {
                "told": words.told(kwargs["model"]),
                "checks": checks[:LISTED],
                "picture": words.Picture.of(checks),
                "words": words,
            }
        return super().render(template, **kwargs)


def _instance(_view: Any, _context: Any, check: InstanceCheck, _name: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(
        url_for("admin_odoo.details_view", id=check.instance_id), check.instance
    )


class InstanceCheckAdmin(StaffView):
    """Every check that is kept, newest first."""

    can_create = False
    can_edit = False
    can_delete = False
    can_view_details = False
    simple_list_pager = True
    column_list = ("at", "instance", "sentence", "duration_ms")
    column_sortable_list = ()
    column_default_sort = ("id", True)
    column_filters = ("instance_id", "at", "outcome")
    column_formatters = {"instance": _instance}
    column_labels = {
        "at": lazy_gettext("Time"),
        "instance": lazy_gettext("Instance"),
        "instance_id": lazy_gettext("Number of the instance"),
        "sentence": lazy_gettext("Result"),
        "outcome": lazy_gettext("Kind of result"),
        "duration_ms": lazy_gettext("Took (ms)"),
    }


def views() -> list[StaffView]:
    """What the admin hangs up, in the order of its menu."""
    category = lazy_gettext("Odoo")
    return [
        InstanceAdmin(Instance, db, lazy_gettext("Odoo instances"), category, "admin_odoo", "odoo"),
        InstanceCheckAdmin(
            InstanceCheck, db, lazy_gettext("Checks of Odoo"), category, "admin_odoo_check", "odoo-checks"
        ),
    ]
