"""Staff screens of what waits for somebody: tags that nobody knows, and stops that fit no transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_admin import expose
from flask_admin.actions import action
from flask_babel import gettext, lazy_gettext, ngettext
from markupsafe import Markup
from werkzeug.wrappers import Response

from app.blueprints.accounts.models import RFID
from app.blueprints.ocpp.admin.bases import History, ReadOnly, caller_id
from app.blueprints.ocpp.admin.filters import of_charger
from app.blueprints.ocpp.admin.forms import Resolution
from app.blueprints.ocpp.models import OddStop, UnknownTag
from app.blueprints.ocpp.services import adoption
from app.clock import utcnow
from app.db import UnitOfWork

# Adopted tags that are named one by one, each with a way to its owner.
NAMED = 10


def _adopt_button(_view: Any, _context: Any, tag: UnknownTag, _name: str) -> Markup:
    return Markup(render_template("ocpp/admin/_adopt.html", tag=tag, back=request.full_path))  # noqa: S704


class UnknownTagAdmin(ReadOnly):
    """Tags that nobody knows, where they were seen."""

    can_delete = True
    can_view_details = False
    column_list = ("id_tag", "charger", "times", "first_seen", "last_seen", "adopt")
    column_formatters = ReadOnly.column_formatters | {"adopt": _adopt_button}
    column_searchable_list = ("id_tag",)
    column_filters = (of_charger(UnknownTag.charger_id),)
    column_default_sort = ("last_seen", True)
    column_labels = ReadOnly.column_labels | {
        "id_tag": lazy_gettext("Id tag"),
        "times": lazy_gettext("Times"),
        "first_seen": lazy_gettext("First seen"),
        "last_seen": lazy_gettext("Last seen"),
        "adopt": lazy_gettext("Adopt"),
    }

    @action(
        "adopt",
        lazy_gettext("Adopt"),
        lazy_gettext("Make the selected tags known, allowed and without owner?"),
    )
    def action_adopt(self, ids: Sequence[str]) -> None:
        """Make tags known."""
        rows = [row for row in map(self.get_one, ids) if row is not None]
        tags = dict.fromkeys(row.id_tag for row in rows)
        if adopted := [rfid for rfid in map(self._adopt, tags) if rfid is not None]:
            words = ngettext("%(num)d tag adopted.", "%(num)d tags adopted.", len(adopted))
            flash(Markup(" ").join([words, *map(_to_owner, adopted[:NAMED])]), "success")

    def _adopt(self, id_tag: str) -> RFID | None:
        def write(work: UnitOfWork) -> RFID:
            rfid = adoption.adopt(work, id_tag)
            self.audit(work, "adopt", rfid, {"rfid": rfid.rfid})
            return rfid

        return self.written(write)


def _to_owner(rfid: RFID) -> Markup:
    """The next step, and then back to where the tag was seen."""
    form = url_for("admin_rfid.edit_view", id=rfid.id, url=request.form.get("url", ""))
    words = gettext("Assign %(tag)s to its owner", tag=rfid.rfid)
    return Markup('<a class="alert-link" href="{}">{}</a>').format(form, words)


class OddStopAdmin(History):
    """Stops that fit no transaction, until somebody has found out what they were."""

    column_list = (
        "received_at",
        "charger",
        "why",
        "claimed_id",
        "payload",
        "resolved_at",
        "resolved_by",
        "note",
    )
    column_filters = (of_charger(OddStop.charger_id), "resolved_at")
    # The open ones first, by the index made for them.
    column_default_sort = [("resolved_at", False), ("id", False)]
    column_labels = ReadOnly.column_labels | {
        "received_at": lazy_gettext("Time"),
        "why": lazy_gettext("What is odd"),
        "claimed_id": lazy_gettext("Transaction"),
        "payload": lazy_gettext("As sent"),
        "resolved_at": lazy_gettext("Resolved"),
        "resolved_by": lazy_gettext("Resolved by"),
        "note": lazy_gettext("Note"),
    }

    @action("resolve", lazy_gettext("Resolve …"))
    def action_resolve(self, ids: Sequence[str]) -> Response:
        """Ask what was found out."""
        return redirect(self.get_url(".resolve_view", id=ids))

    @expose("/resolve/", methods=("GET", "POST"))
    def resolve_view(self) -> Any:
        """Note what was found out, and take the stops off the list."""
        ids = request.values.getlist("id")
        stops = [stop for stop in map(self.get_one, ids) if stop is not None]
        form = Resolution(request.form if request.method == "POST" else None)
        if stops and request.method == "POST" and form.validate():
            note = form.note.data.replace("\0", "")
            resolved = self.change_each(ids, "resolve", lambda _work, stop: _resolve(stop, note))
            flash(ngettext("%(num)d stop resolved.", "%(num)d stops resolved.", resolved), "success")
            return redirect(self.get_url(".index_view"))
        return self.render("ocpp/admin/resolve.html", form=form, stops=stops)


def _resolve(stop: OddStop, note: str) -> None:
    stop.resolved_at, stop.resolved_by_id, stop.note = utcnow(), caller_id(), note
