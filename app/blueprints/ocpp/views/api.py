"""The JSON addresses of chargers, and of commands to them."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from app import access
from app.blueprints.ocpp import dispatch, forms, orders
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import lists, message_log, overview
from app.blueprints.ocpp.services.overview import Overview, iso, kwh
from app.blueprints.ocpp.views import bp
from app.body import body
from app.db import db
from app.domain_error import NotFound


@bp.get("/chargers/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def chargers() -> ResponseReturnValue:
    """List the chargers and their current state."""
    paging, query = forms.Paging.parse(request.args), forms.search_text(request.args)
    presence = dispatch.presence()
    page = lists.paged(db.session(), presence, page=paging.page, per_page=paging.per_page, query=query)
    newest = lists.newest_transactions(db.session(), [row for row in page.rows if not row.running])
    return {
        "chargers": [_charger(row, newest) for row in page.rows],
        "page": page.page,
        "pages": page.pages,
        "per_page": page.per_page,
        "total": page.total,
    }


@bp.get("/chargers/<charger_id>/")
@access.allow(access.STAFF_OR_TOKEN, json=True)
def charger(charger_id: str) -> ResponseReturnValue:
    """Tell everything of one charger, with its last transactions and messages."""
    found = overview.find(db.session(), dispatch.presence(), charger_id)
    if found is None:
        raise NotFound("not found")
    last = overview.last_transactions(db.session(), found.charger)
    return {
        **_charger(found, {row.charger_id: row for row in last[:1]}),
        "transactions": [_transaction(row) for row in last],
        "log": message_log.lines(db.session(), found.charger),
    }


@bp.post("/chargers/<charger_id>/action/")
@access.allow(access.STAFF_OR_TOKEN, json=True, only_post=True)
def action(charger_id: str) -> ResponseReturnValue:
    """Send a command to a charger, and wait for its answer."""
    answer = orders.give(caller_id(), charger_id, body())
    return {"sent": answer.sent, "response": answer.response}


def caller_id() -> int:
    """Who is behind this request."""
    user = access.caller().user
    assert user is not None  # the guard has let a user pass
    return user.id


def _charger(row: Overview, newest: dict[int, Transaction]) -> dict[str, Any]:
    """A charger in the words of the API (contract, section 3)."""
    charger = row.charger
    shown = row.running[0] if row.running else newest.get(charger.id)
    return {
        "charger_id": charger.charger_id,
        "name": charger.name,
        "config": charger.config,
        "require_rfid": charger.require_rfid,
        "transaction": _transaction(shown) if shown else None,
        "lastHeartbeat": iso(charger.last_heartbeat),
        "lastMeterValues": charger.last_meter_values,
        "connected": row.connected,
        "connected_since": iso(row.connected_since),
        "last_seen": iso(charger.last_seen),
        "state": row.state,
        "registration_status": charger.registration_status,
        "blocked": charger.blocked,
        "vendor": charger.vendor,
        "model": charger.model,
        "serial_number": charger.serial_number,
        "firmware_version": charger.firmware_version,
        "power_w": row.power_w,
        "connectors": [_connector(outlet) for outlet in row.outlets],
    }


def _connector(outlet: overview.Outlet) -> dict[str, Any]:
    told = outlet.row
    return {
        "connector_id": outlet.connector_id,
        "status": outlet.status,
        "error_code": told.error_code if told else "",
        "info": told.info if told else "",
        "since": iso(told.since) if told else None,
        "power_w": outlet.power_w,
        "energy_kwh": kwh(outlet.energy_wh),
        "meter_wh": told.meter_wh if told else None,
        "transactionId": outlet.running.id if outlet.running else None,
    }


def _transaction(row: Transaction) -> dict[str, Any]:
    """A transaction as the charger lists tell it: what has not happened yet is left out."""
    told: dict[str, Any] = {
        "transactionId": row.id,
        "connectorId": row.connector_id,
        "idTag": row.id_tag,
        "meterStart": row.meter_start_wh,
        "startTime": iso(row.started_at),
        "energyWh": row.energy_wh,
    }
    if row.meter_stop_wh is not None:
        told["meterStop"] = row.meter_stop_wh
    if row.stopped_at is not None:
        told["stopTime"] = iso(row.stopped_at)
    if row.refused:
        told["refused"] = row.refused
    return told
