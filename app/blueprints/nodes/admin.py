"""Staff screen of nodes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from flask import current_app, flash, redirect
from flask_admin import expose
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import Field, Form, ValidationError
from wtforms.validators import NumberRange

from app import access
from app.admin_base import StaffView
from app.blueprints.accounts.models import User
from app.blueprints.nodes import forms, services
from app.blueprints.nodes.models import Node
from app.db import UnitOfWork, db
from app.domain_error import DomainError


def _read_by(parse: Callable[[Any], str]) -> Callable[[Form, Field], None]:
    """The validator that asks what a registration is asked."""

    def validate(_form: Form, field: Field) -> None:
        try:
            field.data = parse(field.data)
        except DomainError as refusal:
            raise ValidationError(refusal.detail) from refusal

    return validate


def _state(_view: Any, _context: Any, node: Node, _name: str) -> Markup:
    colour, word = ("secondary", gettext("Stale")) if node.is_stale else ("success", gettext("Seen"))
    return Markup('<span class="badge badge-{}">{}</span>').format(colour, word)


class NodeAdmin(StaffView):
    """Nodes register themselves; staff correct them, and add the machine that this runs on."""

    list_template = "nodes/admin/list.html"
    column_list = ("hostname", "address", "port", "last_seen", "state")
    column_details_list = column_list
    column_searchable_list = ("hostname", "address")
    column_filters = ("hostname", "address", "port", "last_seen")
    column_sortable_list = ("hostname", "address", "port", "last_seen")
    column_default_sort = "hostname"
    column_formatters = {"state": _state}
    column_formatters_detail = column_formatters
    column_labels = {
        "hostname": lazy_gettext("Host name"),
        "address": lazy_gettext("Address"),
        "port": lazy_gettext("Port"),
        "last_seen": lazy_gettext("Last seen"),
        "state": lazy_gettext("State"),
    }
    column_descriptions = {"state": lazy_gettext("Stale: it has not registered for 15 minutes.")}
    form_columns = ("hostname", "address", "port")
    form_args = {
        "hostname": {"validators": [_read_by(forms.hostname)]},
        "address": {"validators": [_read_by(forms.address)]},
        "port": {"validators": [NumberRange(1, 65535)]},
    }

    @expose("/register-current-host/", methods=("POST",))
    def register_current_host(self) -> Response:
        """Write down the machine that this server runs on."""
        if (node := self.written(self._register)) is not None:
            flash(
                gettext(
                    "%(name)s is registered at %(address)s, port %(port)d.",
                    name=node.hostname,
                    address=node.address,
                    port=node.port,
                ),
                "success",
            )
        return redirect(self.get_url(".index_view"))

    def _register(self, work: UnitOfWork) -> Node:
        hostname, port = socket.gethostname(), current_app.config["PORT"]
        address = services.own_address(current_app.config["HOST"])
        who = cast("User | None", access.caller().user)
        return services.register_node(work, hostname=hostname, address=address, port=port, by=who)


def views() -> list[StaffView]:
    """What the admin hangs up."""
    return [NodeAdmin(Node, db, lazy_gettext("Nodes"), lazy_gettext("Nodes"), "admin_node", "nodes")]
