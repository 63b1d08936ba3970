"""The staff screen of chargers: what staff set, what the charger told, and commands to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import after_this_request, current_app, flash, g, redirect, url_for
from flask_admin import expose
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from sqlalchemy import delete, exists, select
from werkzeug.wrappers import Response
from wtforms import BooleanField, Form, PasswordField, SelectField
from wtforms.validators import Length, NumberRange, Optional

from app import maps
from app.admin_base import StaffView
from app.blueprints.ocpp import dispatch, words
from app.blueprints.ocpp.admin.commands import Commands
from app.blueprints.ocpp.admin.forms import COMMANDS, is_charger_id, is_object
from app.blueprints.ocpp.admin.labels import Labels
from app.blueprints.ocpp.models import (
    Alert,
    Charger,
    Connector,
    OcppMessage,
    Refusal,
    Transaction,
    UnknownTag,
)
from app.blueprints.ocpp.services import keys, landing, lists, overview
from app.blueprints.qrcodes import pictures
from app.db import UnitOfWork, db
from app.domain_error import DomainError

# What is decided at the door, for as long as a socket lasts.
JUDGED = ("blocked", "registration_status", "validation", "auth_key_hash")
# Rows of each kind on a charger's page.
SHOWN = 20


class HasHistory(DomainError):
    """What has happened at a charger is kept, and so is the charger."""

    status_code = 409

    def __init__(self, charger: Charger) -> None:
        super().__init__(
            gettext(
                "%(charger)s has history, so it cannot be deleted: block it instead",
                charger=charger.charger_id,
            )
        )


def seen(charger: Charger) -> overview.Overview:
    """A charger's present state, read once for all rows of a page."""
    found: dict[int, overview.Overview] = g.get("chargers_seen", {})
    if charger.id not in found:
        found[charger.id] = overview.of(db.session(), dispatch.presence(), charger)
    return found[charger.id]


def _state(_view: Any, _context: Any, charger: Charger, _name: str) -> Markup:
    state = seen(charger).state
    return Markup('<span class="badge badge-{}">{}</span>').format(words.colour(state), words.state(state))


def _connected(_view: Any, _context: Any, charger: Charger, _name: str) -> str:
    since = seen(charger).connected_since
    return gettext("since %(time)s", time=words.moment(since)) if since else gettext("no")


def _last_seen(_view: Any, _context: Any, charger: Charger, _name: str) -> str:
    return words.ago(charger.last_seen)


def _links(_view: Any, _context: Any, charger: Charger, _name: str) -> Markup:
    return Markup('<a href="{}">{}</a> · <a href="{}">{}</a> · <a href="{}">{}</a>').format(
        url_for("ocpp.charger_page", charger_id=charger.charger_id), gettext("Live"),
        url_for("ocpp.log", charger_id=charger.charger_id), gettext("Log"),
        url_for("ocpp.landing_page", charger_id=charger.charger_id), gettext("Landing page"),
    )  # fmt: skip


class ChargerAdmin(Labels, Commands, StaffView):
    """Chargers make themselves when they connect; staff adjust them, or announce them beforehand."""

    details_template = "ocpp/admin/charger.html"
    create_template = "ocpp/admin/charger_create.html"
    edit_template = "ocpp/admin/charger_edit.html"
    column_list = (
        "charger_id", "name", "state", "connected", "last_seen", "registration_status", "require_rfid",
        "links",
    )  # fmt: skip
    column_labels = {
        "charger_id": lazy_gettext("Id"),
        "name": lazy_gettext("Name"),
        "state": lazy_gettext("State"),
        "connected": lazy_gettext("Connected"),
        "last_seen": lazy_gettext("Last seen"),
        "registration_status": lazy_gettext("Registration"),
        "require_rfid": lazy_gettext("Requires a tag"),
        "links": lazy_gettext("Links"),
        "blocked": lazy_gettext("Blocked"),
        "validation": lazy_gettext("Validation"),
        "latitude": lazy_gettext("Latitude"),
        "longitude": lazy_gettext("Longitude"),
        "config": lazy_gettext("Configuration"),
        "vendor": lazy_gettext("Vendor"),
        "model": lazy_gettext("Model"),
        "serial_number": lazy_gettext("Serial number"),
        "firmware_version": lazy_gettext("Firmware"),
        "boot": lazy_gettext("As it introduced itself"),
        "booted_at": lazy_gettext("Last start"),
        "last_path": lazy_gettext("Last path"),
        "last_address": lazy_gettext("Last address"),
        "subprotocol": lazy_gettext("Subprotocol"),
        "last_heartbeat": lazy_gettext("Last heartbeat"),
        "last_meter_values": lazy_gettext("Last meter values"),
        "firmware_status": lazy_gettext("Firmware job"),
        "diagnostics_status": lazy_gettext("Diagnostics job"),
        "created_at": lazy_gettext("First seen"),
    }
    column_formatters = {"state": _state, "connected": _connected, "last_seen": _last_seen, "links": _links}
    column_sortable_list = ("charger_id", "name", "last_seen", "registration_status", "require_rfid")
    column_default_sort = "charger_id"
    column_searchable_list = ("charger_id", "name", "vendor", "model", "serial_number")
    column_filters = ("require_rfid", "blocked", "registration_status", "vendor", "model", "last_seen")
    column_details_exclude_list = ("auth_key_hash",)
    form_columns = (
        "charger_id", "name", "require_rfid", "registration_status", "blocked", "validation", "latitude",
        "longitude", "config", "auth_key", "clear_key",
    )  # fmt: skip
    form_overrides = {"registration_status": SelectField, "validation": SelectField}
    form_args = {
        "charger_id": {"validators": [is_charger_id]},
        "registration_status": {
            "default": "Accepted",
            "choices": [
                ("Accepted", lazy_gettext("Accepted")),
                ("Pending", lazy_gettext("Pending: configured first, does not charge yet")),
                ("Rejected", lazy_gettext("Rejected: nothing is sent to it")),
            ],
        },
        "validation": {
            "choices": [
                ("", lazy_gettext("As the installation")),
                ("lenient", lazy_gettext("Lenient: serve what can be understood")),
                ("strict", lazy_gettext("Strict: the standard's schema decides")),
            ]
        },
        "require_rfid": {"description": lazy_gettext("Only known tags with an owner and credit may charge.")},
        "blocked": {"description": lazy_gettext("It is refused when it connects.")},
        "latitude": {"places": 6, "validators": [Optional(), NumberRange(-90, 90)]},
        "longitude": {"places": 6, "validators": [Optional(), NumberRange(-180, 180)]},
        "config": {"validators": [is_object]},
    }
    form_extra_fields = {
        "auth_key": PasswordField(
            lazy_gettext("New key"),
            [Optional(), Length(16, 40)],
            description=lazy_gettext(
                "16 to 40 characters, the charger's password (Basic auth). Empty: unchanged."
            ),
            render_kw={"autocomplete": "new-password"},
        ),
        "clear_key": BooleanField(
            lazy_gettext("Remove the key"), description=lazy_gettext("The charger then connects without one.")
        ),
    }

    def edit_form(self, obj: Charger | None = None) -> Form:
        """The id is what the charger says it is."""
        form = super().edit_form(obj)
        del form.charger_id
        return form

    def create_form(self, obj: Charger | None = None) -> Form:
        """A new charger has no key to remove."""
        form = super().create_form(obj)
        del form.clear_key
        return form

    def make(self, work: UnitOfWork, form: Form) -> Charger:
        """Announce a charger that has not connected yet."""
        charger = Charger()
        self.change(work, form, charger)
        work.add(charger)
        return charger

    def change(self, work: UnitOfWork, form: Form, row: Charger) -> None:
        """Write the form; of the key only its hash."""
        before = [getattr(row, name) for name in JUDGED]
        for name, field in form._fields.items():
            if name not in ("auth_key", "clear_key", "config"):
                field.populate_obj(row, name)
        row.name = row.name or ""
        row.config = form.config.data or {}
        landing.link(work, [row], current_app.config["PUBLIC_URL"])
        if form.auth_key.data:
            row.auth_key_hash = keys.hashed(form.auth_key.data)
        elif "clear_key" in form and form.clear_key.data:
            row.auth_key_hash = ""
        g.judged_anew = before != [getattr(row, name) for name in JUDGED]

    def validate_form(self, form: Form) -> bool:
        """A key is set or removed, not both."""
        valid = bool(super().validate_form(form))
        if "clear_key" in form and form.clear_key.data and form.auth_key.data:
            form.auth_key.errors = [*form.auth_key.errors, gettext("Set a key or remove it, not both.")]
            return False
        return valid

    def remove(self, work: UnitOfWork, row: Charger) -> None:
        """Delete a charger at which nothing has happened yet."""
        for model in (Transaction, OcppMessage, Refusal):
            if work.scalar(select(exists().where(model.charger_id == row.id))):
                raise HasHistory(row)
        for part in (Connector, UnknownTag, Alert):
            work.execute(delete(part).where(part.charger_id == row.id))
        super().remove(work, row)

    def after_model_change(self, form: Form, model: Charger, is_created: bool) -> None:
        """Pages that follow show it, and a charger that is judged otherwise now comes to the door again."""
        if g.pop("judged_anew", False):
            dispatch.hang_up(model.charger_id)
        current_app.extensions["ocpp"].live.touch({model.charger_id})
        pictures.make(model.qr)

    def get_list(self, *args: Any, **options: Any) -> Any:
        """The rows of a page, with their present state read at once."""
        count, chargers = super().get_list(*args, **options)
        ids = [charger.charger_id for charger in chargers]
        g.chargers_seen = {
            one.charger.id: one for one in lists.of_ids(db.session(), dispatch.presence(), ids)
        }
        return count, chargers

    def render(self, template: str, **kwargs: Any) -> Any:
        """A charger's page shows more than its columns, its form a map."""
        if template == self.details_template:
            kwargs |= self._around(kwargs["model"])
        elif template in (self.create_template, self.edit_template):
            kwargs |= {"tiles": maps.tiles_url(), "centre": maps.CENTRE}
            after_this_request(maps.show_tiles)
        return super().render(template, **kwargs)

    @expose("/named/<charger_id>/")
    def named(self, charger_id: str) -> Response:
        """A charger's page, by the id that it connects with."""
        found = (
            None
            if "\0" in charger_id
            else db.session.scalar(select(Charger.id).where(Charger.charger_id == charger_id))
        )
        if found is None:
            flash(gettext("Record does not exist."), "error")
            return redirect(self.get_url(".index_view"))
        return redirect(self.get_url(".details_view", id=found))

    def _around(self, charger: Charger) -> dict[str, Any]:
        work = db.session()

        def newest(model: Any) -> Sequence[Any]:
            chosen = select(model).where(model.charger_id == charger.id)
            return work.scalars(chosen.order_by(model.id.desc()).limit(SHOWN)).all()

        unknown = select(UnknownTag).where(UnknownTag.charger_id == charger.id)
        return {
            "seen": seen(charger),
            "words": words,
            "commands": COMMANDS,
            "transactions": newest(Transaction),
            "refusals": newest(Refusal),
            "unknown_tags": work.scalars(unknown.order_by(UnknownTag.last_seen.desc())).all(),
        }
