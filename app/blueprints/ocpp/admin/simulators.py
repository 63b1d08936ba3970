"""The staff screen of simulators: set up one or many, start and stop them, watch how they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from flask import flash, jsonify, redirect, request
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.helpers import get_redirect_target
from flask_babel import gettext, lazy_gettext, ngettext
from sqlalchemy import select
from werkzeug.wrappers import Response
from wtforms import BooleanField, Form, PasswordField

from app import access, doorbell
from app.admin_base import StaffView
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.ocpp import tasks
from app.blueprints.ocpp.admin import simulator_forms
from app.blueprints.ocpp.admin.simulator_cells import CELLS, cell, control, inner, path, see
from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services import simulators
from app.db import UnitOfWork, db
from app.domain_error import NotFound

Command = Callable[[UnitOfWork, Sequence[int]], list[int]]
COMMANDS: dict[str, Command] = {
    "start": simulators.start,
    "stop": simulators.stop,
    "restart": simulators.restart,
}
SETTINGS = (
    "name", "cp_path", "host", "ws_port", "rfid", "repeat", "autostart", "connectors", "duration_s",
    "interval_s", "pre_charge_delay_s", "power_kw", "kwh_min", "kwh_max", "username", "password",
)  # fmt: skip


class SimulatorAdmin(StaffView):
    """Charge points made of software, run by the worker."""

    list_template = "ocpp/admin/simulators.html"
    column_list = ("name", "state", "control", "energy", "cp_path", "host", "rfid", "repeat")
    column_details_list = (
        "state", "energy", "links", *(name for name in SETTINGS if name != "password"), "transaction_id",
    )  # fmt: skip
    column_searchable_list = ("name", "cp_path", "host", "rfid")
    column_filters = ("name", "cp_path", "host", "ws_port", "wanted", "repeat", "autostart")
    column_sortable_list = ("name", "cp_path", "host", "rfid", "repeat")
    column_default_sort = "name"
    column_formatters = {
        **dict.fromkeys(CELLS, cell),
        "control": control,
        "cp_path": path,
        "host": lambda _view, _context, row, _name: f"{row.host}:{row.ws_port}",
    }
    column_formatters_detail = dict.fromkeys(CELLS, cell)
    column_labels = {
        "name": lazy_gettext("Name"),
        "state": lazy_gettext("State"),
        "control": lazy_gettext("Control"),
        "energy": lazy_gettext("Energy"),
        "links": lazy_gettext("Links"),
        "cp_path": lazy_gettext("Path"),
        "host": lazy_gettext("Host"),
        "ws_port": lazy_gettext("Port"),
        "rfid": lazy_gettext("Id tag"),
        "repeat": lazy_gettext("Repeat"),
        "autostart": lazy_gettext("Charges by itself"),
        "connectors": lazy_gettext("Connectors"),
        "duration_s": lazy_gettext("Duration of a charge (s)"),
        "interval_s": lazy_gettext("Between meter values (s)"),
        "pre_charge_delay_s": lazy_gettext("Pause before a charge (s)"),
        "power_kw": lazy_gettext("Power (kW)"),
        "kwh_min": lazy_gettext("Least energy (kWh)"),
        "kwh_max": lazy_gettext("Most energy (kWh)"),
        "username": lazy_gettext("User name"),
        "password": lazy_gettext("Password"),
        "wanted": lazy_gettext("Wanted"),
        "transaction_id": lazy_gettext("Transaction"),
    }
    form_columns = (*SETTINGS, "clear_password")
    form_overrides = {"password": PasswordField}
    form_args = simulator_forms.FIELDS
    form_extra_fields = {"clear_password": BooleanField(lazy_gettext("Remove the password"))}

    # One of them

    def create_form(self, obj: Simulator | None = None) -> Form:
        """A new one connects to this server, and has no password to remove."""
        return self._fresh(super().create_form(obj))

    def validate_form(self, form: Form) -> bool:
        """Fields that belong together are looked at together."""
        if not super().validate_form(form):
            return False
        if "cp_path" not in form:  # a form that only deletes
            return True
        known = getattr(form, "_obj", None)
        besides = known.id if known is not None else None
        return simulator_forms.fits(form) and simulator_forms.is_free(form, besides)

    def make(self, work: UnitOfWork, form: Form) -> Simulator:
        """A new simulator, which nobody wants to run yet."""
        row = Simulator()
        self.change(work, form, row)
        work.add(row)
        return row

    def change(self, work: UnitOfWork, form: Form, row: Simulator) -> None:
        """Write the form; a password that is not typed again stays as it is."""
        for name, value in _typed(form).items():
            setattr(row, name, value)
        if "clear_password" in form and form.clear_password.data:
            row.password = ""

    def after_model_change(self, form: Form, model: Simulator, is_created: bool) -> None:
        """What runs goes on with what it was told."""
        if not is_created and model.is_wanted:
            flash(gettext("It runs with its old settings until it is restarted."), "info")

    # Many of them

    @expose("/many/", methods=("GET", "POST"))
    def many_view(self) -> Any:
        """Make many that differ in name and path."""
        kind = simulator_forms.many(self._create_form_class)
        form = self._fresh(kind(request.form if request.method == "POST" else None))
        if request.method == "POST" and form.validate() and simulator_forms.fits(form):
            made = self.written(lambda work: self._make_many(work, form))
            if made is not None:
                doorbell.ring(tasks.run_simulators)
                flash(ngettext("%(num)d simulator made.", "%(num)d simulators made.", len(made)), "success")
                return redirect(self.get_url(".index_view"))
        return self.render("ocpp/admin/simulators_many.html", form=form)

    def _make_many(self, work: UnitOfWork, form: Form) -> list[int]:
        settings = {name: value for name, value in _typed(form).items() if name not in ("name", "cp_path")}
        made = simulators.make_many(
            work, count=form.count.data, name=form.name.data, path=form.cp_path.data, first=form.first.data,
            settings=settings,
        )  # fmt: skip
        self._trail(work, "create", made)
        if form.start.data:
            self._trail(work, "start", simulators.start(work, made))
        return made

    def _fresh(self, form: Form) -> Form:
        del form.clear_password
        if request.method == "GET":
            form.host.data, form.ws_port.data = simulator_forms.own_host(), simulator_forms.own_port()
        return form

    # To run or not to run

    @expose("/control/", methods=("POST",))
    def control_view(self) -> Response:
        """Start, stop or restart one of them, by the buttons in its row."""
        self._command(request.form.get("do", ""), self._ids(request.form.getlist("id")))
        return redirect(get_redirect_target() or self.get_url(".index_view"))

    @expose("/all/<do>/", methods=("GET", "POST"))
    def all_view(self, do: str) -> Any:
        """Start, stop or restart all that a list shows, on all its pages, after a question."""
        if do not in COMMANDS:
            raise NotFound("not found")
        view_args = self._get_list_extra_args()
        ids = self._listed(view_args)
        back = self._get_list_url(view_args)
        if request.method == "POST":
            self._command(do, ids)
            return redirect(back)
        return self.render("ocpp/admin/simulators_all.html", do=do, count=len(ids), back=back)

    @action("start", lazy_gettext("Start them"))
    def action_start(self, ids: Sequence[str]) -> None:
        """Start the selected ones."""
        self._command("start", self._ids(ids))

    @action(
        "stop", lazy_gettext("Stop them"), lazy_gettext("Stop the selected simulators? Their charges end.")
    )
    def action_stop(self, ids: Sequence[str]) -> None:
        """Stop the selected ones."""
        self._command("stop", self._ids(ids))

    @action(
        "restart",
        lazy_gettext("Restart them"),
        lazy_gettext("Restart the selected simulators? Their charges end."),
    )
    def action_restart(self, ids: Sequence[str]) -> None:
        """Start the selected ones anew."""
        self._command("restart", self._ids(ids))

    def _command(self, do: str, ids: Sequence[int]) -> None:
        command = COMMANDS.get(do)
        if command is None:
            raise NotFound("not found")

        def write(work: UnitOfWork) -> list[int]:
            changed = command(work, ids)
            self._trail(work, do, changed)
            return changed

        changed = self.written(write)
        if changed is None:
            return
        if changed and do != "stop":
            doorbell.ring(tasks.run_simulators)
        flash(_done(do, len(changed)), "success" if changed else "info")

    def _trail(self, work: UnitOfWork, name: str, ids: Iterable[int]) -> None:
        who = cast("User | None", access.caller().user)
        audit.record_each(work, who, name, Simulator.__tablename__, ids)

    def _ids(self, ids: Iterable[str]) -> list[int]:
        wanted = [int(id) for id in ids if id.isascii() and id.isdecimal() and len(id) < 10]
        return wanted[: simulators.MOST_COMMANDED]

    def _listed(self, view_args: Any) -> list[int]:
        """The ids of all that the list shows, whatever the page."""
        _, query = super().get_list(
            None, None, False, view_args.search, view_args.filters, execute=False, page_size=0
        )
        found = query.with_entities(Simulator.id).limit(simulators.MOST_COMMANDED)
        return [id for (id,) in found]

    # How they do

    @expose("/live/")
    def live_view(self) -> Response:
        """How the rows with these ids do now, as the cells of the page."""
        chosen = select(Simulator).where(Simulator.id.in_(self._ids(request.args.getlist("id"))))
        rows = db.session.scalars(chosen.order_by(Simulator.id)).all()
        see(rows)
        answer = jsonify(
            [
                {"id": row.id, "wanted": row.is_wanted, "cells": {name: inner(row, name) for name in CELLS}}
                for row in rows
            ]
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def get_list(self, *args: Any, **options: Any) -> Any:
        """The rows of a page, with what they need read at once."""
        count, rows = super().get_list(*args, **options)
        see(rows)
        return count, rows

    def get_empty_list_message(self) -> str:
        """What to do first."""
        return gettext("There are no simulators here: create one, or many, and start them.")


def _typed(form: Form) -> dict[str, Any]:
    """What was typed, as the columns take it; no password where none was."""
    typed = {name: form[name].data for name in SETTINGS if name in form}
    if not typed.get("password"):
        typed.pop("password", None)
    for name, otherwise in (("username", ""), ("rfid", "FFFFFFFF")):
        typed[name] = typed.get(name) or otherwise
    return typed


def _done(do: str, count: int) -> str:
    if not count:
        return gettext("There was nothing to do: they are as you want them.")
    if do == "stop":
        return ngettext("%(num)d simulator stops.", "%(num)d simulators stop.", count)
    return ngettext("%(num)d simulator starts.", "%(num)d simulators start.", count)
