"""Staff screens of what chargers have done: read-only, but for the simulators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, g
from flask_admin.actions import action
from flask_babel import gettext, lazy_gettext, ngettext
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.blueprints.accounts.models import Account
from app.blueprints.ocpp import orders, words
from app.blueprints.ocpp.admin.bases import History, ReadOnly, caller_id, link_to_charger
from app.blueprints.ocpp.admin.csv_links import CsvLinks
from app.blueprints.ocpp.admin.filters import OfAccount, of_charger
from app.blueprints.ocpp.models import (
    Charger,
    Connector,
    MeterReading,
    OcppMessage,
    Refusal,
    Transaction,
)
from app.db import db
from app.domain_error import DomainError


def _status(_view: Any, _context: Any, connector: Connector, _name: str) -> Markup:
    colour = words.colour(connector.status)
    return Markup('<span class="badge badge-{}">{}</span>').format(colour, words.status(connector.status))


class ConnectorAdmin(ReadOnly):
    """The newest state of every outlet."""

    column_list = (
        "charger", "connector_id", "status", "error_code", "info", "since", "power_w", "meter_wh",
        "measured_at",
    )  # fmt: skip
    column_formatters = ReadOnly.column_formatters | {"status": _status}
    column_filters = (of_charger(Connector.charger_id), "status", "error_code")
    column_default_sort = [("charger_id", False), ("connector_id", False)]
    column_labels = ReadOnly.column_labels | {
        "status": lazy_gettext("Status"),
        "error_code": lazy_gettext("Error"),
        "info": lazy_gettext("Info"),
        "since": lazy_gettext("Since"),
        "power_w": lazy_gettext("Power (W)"),
        "meter_wh": lazy_gettext("Meter (Wh)"),
        "measured_at": lazy_gettext("Measured at"),
    }


class TransactionAdmin(CsvLinks, History):
    """Charging sessions; one whose charger never ends it can be closed."""

    csv_endpoint = "ocpp.transactions_list"

    column_list = (
        "id", "charger", "connector_id", "id_tag", "account", "energy_kwh", "started_at", "stopped_at",
        "stop_reason", "refused", "flags",
    )  # fmt: skip
    column_filters = (
        of_charger(Transaction.charger_id),
        OfAccount(Transaction.account_id, lazy_gettext("Account")),
        "started_at",
        "stopped_at",
        "id_tag",
    )
    column_labels = ReadOnly.column_labels | {
        "id": lazy_gettext("Id"),
        "id_tag": lazy_gettext("Id tag"),
        "account": lazy_gettext("Account"),
        "energy_kwh": "kWh",
        "started_at": lazy_gettext("Started"),
        "stopped_at": lazy_gettext("Stopped"),
        "stop_reason": lazy_gettext("Reason"),
        "refused": lazy_gettext("Refused"),
        "flags": lazy_gettext("Odd"),
        "meter_start_wh": lazy_gettext("Meter at start (Wh)"),
        "meter_last_wh": lazy_gettext("Meter now (Wh)"),
        "meter_stop_wh": lazy_gettext("Meter at stop (Wh)"),
        "received_at": lazy_gettext("Start received"),
        "stop_received_at": lazy_gettext("Stop received"),
        "stop_id_tag": lazy_gettext("Stopped by tag"),
    }
    column_details_list = (
        "id", "charger", "connector_id", "id_tag", "account", "meter_start_wh", "meter_last_wh",
        "meter_stop_wh", "energy_kwh", "started_at", "received_at", "stopped_at", "stop_received_at",
        "stop_reason", "stop_id_tag", "refused", "flags",
    )  # fmt: skip

    def get_query(self) -> Any:
        """With the names of the accounts."""
        return super().get_query().options(joinedload(Transaction.account).joinedload(Account.user))

    @action(
        "close",
        lazy_gettext("Close"),
        lazy_gettext("End the selected transactions with their last reading? Their chargers are not told."),
    )
    def action_close(self, ids: Sequence[str]) -> None:
        """End transactions whose chargers never will."""
        closed = 0
        for id in ids:
            try:
                orders.close(caller_id(), int(id) if id.isascii() and id.isdecimal() else 0)
                closed += 1
            except DomainError as refusal:
                flash(gettext("Transaction %(id)s: %(reason)s", id=id, reason=refusal.detail), "error")
        if closed:
            flash(ngettext("%(num)d transaction closed.", "%(num)d transactions closed.", closed), "success")


class MeterReadingAdmin(CsvLinks, History):
    """Every sampled value."""

    csv_endpoint = "ocpp.readings_list"

    can_view_details = False
    column_display_actions = False
    column_formatters = {
        "charger_id": lambda _view, _context, reading, _name: g.chargers[reading.charger_id],
        "value": lambda _view, _context, reading, _name: words.number(reading.value),
    }
    column_list = (
        "at", "charger_id", "connector_id", "transaction_id", "measurand", "value", "unit", "phase",
        "context", "location", "raw_value", "raw_unit",
    )  # fmt: skip
    column_filters = (of_charger(MeterReading.charger_id),)
    column_labels = ReadOnly.column_labels | {
        "at": lazy_gettext("Time"),
        "charger_id": lazy_gettext("Charger"),
        "transaction_id": lazy_gettext("Transaction"),
        "measurand": lazy_gettext("Measurand"),
        "value": lazy_gettext("Value"),
        "unit": lazy_gettext("Unit"),
        "phase": lazy_gettext("Phase"),
        "context": lazy_gettext("Context"),
        "location": lazy_gettext("Location"),
        "raw_value": lazy_gettext("As sent"),
        "raw_unit": lazy_gettext("Unit as sent"),
    }

    def get_list(
        self, page: Any, sort_column: Any, sort_desc: Any, search: Any, filters: Any, **options: Any
    ) -> Any:
        """Newest first; of one charger by time, which its index knows."""
        self._sortable_columns = {"at": MeterReading.at}
        count, readings = super().get_list(page, "at" if filters else None, True, search, filters, **options)
        # Readings know their charger by number alone.
        wanted = {reading.charger_id for reading in readings}
        chargers = db.session.scalars(select(Charger).where(Charger.id.in_(wanted)))
        g.chargers = {charger.id: link_to_charger(charger) for charger in chargers}
        return count, readings

    def is_sortable(self, name: str) -> bool:
        """Never: millions of rows."""
        return False


class OcppMessageAdmin(History):
    """The exchange with all chargers."""

    column_list = ("at", "charger", "direction", "action", "error_code", "request", "answer", "deviations")
    column_filters = (of_charger(OcppMessage.charger_id),)
    column_labels = ReadOnly.column_labels | {
        "at": lazy_gettext("Time"),
        "direction": lazy_gettext("Direction"),
        "action": lazy_gettext("Action"),
        "error_code": lazy_gettext("Error"),
        "request": lazy_gettext("Request"),
        "answer": lazy_gettext("Answer"),
        "deviations": lazy_gettext("Deviations"),
    }
    column_formatters = ReadOnly.column_formatters | {
        name: lambda _view, _context, row, name: _short(getattr(row, name)) for name in ("request", "answer")
    }
    column_formatters_detail = ReadOnly.column_formatters


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= 120 else f"{text[:120]}…"


class RefusalAdmin(History):
    """Tags that were not accepted, and why: what staff tell the driver on the phone."""

    can_view_details = False
    column_display_actions = False
    column_list = ("at", "charger", "id_tag", "action", "status", "reason")
    column_filters = (of_charger(Refusal.charger_id), "id_tag", "at")
    column_formatters = ReadOnly.column_formatters | {
        "reason": lambda _view, _context, refusal, _name: words.reason(refusal.reason)
    }
    column_labels = ReadOnly.column_labels | {
        "at": lazy_gettext("Time"),
        "id_tag": lazy_gettext("Id tag"),
        "action": lazy_gettext("Asked by"),
        "status": lazy_gettext("Answer"),
        "reason": lazy_gettext("Reason"),
    }
