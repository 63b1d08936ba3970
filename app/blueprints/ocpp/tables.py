"""The statements of the message path, table by table (see ``statements``)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from app.blueprints.accounts.models import Account
from app.blueprints.ocpp.models import (
    Charger,
    ChargerDay,
    Connector,
    MeterReading,
    OcppMessage,
    OddStop,
    Refusal,
    Transaction,
    UnknownTag,
)
from app.blueprints.ocpp.statements import Insert, Update


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


# Of a charger at the door.
KNOCKING = """
    SELECT charger_id, id, blocked, auth_key_hash, validation, registration_status, booted_at,
           last_path, last_address, subprotocol
    FROM charger WHERE charger_id = ANY(?)
"""
CHARGERS = (
    "SELECT id, charger_id, require_rfid, registration_status, last_seen FROM charger WHERE id = ANY(?)"
)

_TRANSACTION = """
    SELECT id, charger_id, connector_id, id_tag, account_id, meter_start_wh, meter_last_wh, meter_stop_wh,
           energy_wh, started_at, stopped_at, stop_received_at, stop_reason, stop_id_tag, refused, flags
    FROM charge_transaction
"""
# A charger may tell the same start on two sockets: the second is decided once the first is stored. Not a
# row's lock, and before any: whoever waits here holds nothing up. The first number is any, for this alone.
STARTS_IN_TURN = "SELECT pg_advisory_xact_lock(16, id) FROM unnest(?::int[]) AS id"
# Locked, because staff may close a transaction from another process.
RUNNING = f"{_TRANSACTION} WHERE stopped_at IS NULL AND charger_id = ANY(?) ORDER BY id FOR UPDATE"
TRANSACTION_BY_ID = f"{_TRANSACTION} WHERE id = ? FOR UPDATE"
RUNNING_BY_TAG = """
    SELECT t.id, c.last_seen, t.id_tag FROM charge_transaction t JOIN charger c ON c.id = t.charger_id
    WHERE t.id_tag = ANY(?) AND t.stopped_at IS NULL AND t.refused = ''
"""
SAME_START = """
    SELECT id FROM charge_transaction
    WHERE charger_id = ? AND connector_id = ? AND id_tag = ? AND started_at = ? AND meter_start_wh = ?
"""
# Not on SQLite, where a statement costs no way to anywhere.
TRANSACTION_IDS = "SELECT nextval('charge_transaction_id_seq') FROM generate_series(1, ?)"
_STARTED = (
    "charger_id", "connector_id", "id_tag", "account_id", "meter_start_wh", "meter_last_wh", "energy_wh",
    "started_at", "received_at", "refused", "flags", "stop_reason", "stop_id_tag",
)  # fmt: skip
_NEW = "ON CONFLICT (charger_id, connector_id, id_tag, started_at, meter_start_wh) DO NOTHING RETURNING id"
START_TRANSACTIONS = Insert(_table(Transaction), (*_STARTED, "id"), _NEW)
START_TRANSACTION = Insert(_table(Transaction), _STARTED, _NEW).sqlite
UPDATE_TRANSACTION = Update(
    _table(Transaction),
    dict.fromkeys(
        (
            "meter_last_wh", "meter_stop_wh", "energy_wh", "stopped_at", "stop_received_at", "stop_reason",
            "stop_id_tag", "flags",
        ),
        "{}",
    ),
)  # fmt: skip

# Unknown tags remembered per charger: those seen last.
MAX_UNKNOWN_TAGS = 100
FORGET_TAGS = """
    DELETE FROM unknown_tag WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY charger_id ORDER BY last_seen DESC, id DESC) AS place
            FROM unknown_tag WHERE charger_id IN (
                SELECT charger_id FROM unknown_tag WHERE charger_id = ANY(?)
                GROUP BY charger_id HAVING count(*) > ?
            )
        ) AS seen WHERE place > ?
    )
"""
# A charger repeats a stop that was not answered; that is soon, so the newest few are enough to know it again.
SAME_ODD_STOP = """
    SELECT 1 FROM (SELECT charger_id, claimed_id, payload FROM odd_stop ORDER BY id DESC LIMIT 100) AS newest
    WHERE charger_id = ? AND claimed_id = ? AND CAST(payload AS TEXT) = ?
"""

# The tag is locked until the commit, so that two processes cannot both start on it.
TAGS = """
    SELECT rfid.rfid, rfid.allowed, rfid.expires_at, rfid.parent, rfid.user_id, u.is_active,
           a.id, a.service_account, a.credited_wh, a.spent_wh
    FROM rfid LEFT JOIN "user" u ON u.id = rfid.user_id LEFT JOIN account a ON a.user_id = rfid.user_id
    WHERE rfid.rfid = ANY(?) ORDER BY rfid.rfid FOR UPDATE OF rfid
"""
# What runs, at any charger, on accounts whose credit is gone. Another process's spending is in it: booking
# locks the account until the commit, so whoever books last sees the whole.
EXHAUSTED = """
    SELECT c.charger_id, t.id
    FROM account a
    JOIN charge_transaction t ON t.account_id = a.id AND t.stopped_at IS NULL
    JOIN charger c ON c.id = t.charger_id
    WHERE a.id = ANY(?) AND NOT a.service_account AND a.spent_wh >= a.credited_wh
"""
LOCK_ACCOUNTS = "SELECT id FROM account WHERE id = ANY(?) ORDER BY id FOR NO KEY UPDATE"
SPEND = Update(_table(Account), {"spent_wh": "account.spent_wh + {}"})


def _of_charger(*columns: str) -> Update:
    return Update(_table(Charger), dict.fromkeys(columns, "{}"))


UPDATE_CHARGER = Update(
    _table(Charger),
    {
        "last_seen": "{}",
        "last_heartbeat": "COALESCE({}, charger.last_heartbeat)",
        "last_meter_values": "COALESCE({}, charger.last_meter_values)",
    },
)

BULK: dict[str, Insert | Update] = {
    "message": Insert(
        _table(OcppMessage),
        (
            "charger_id", "direction", "at", "answered_at", "action", "message_id", "request", "answer",
            "error_code", "deviations",
        ),
    ),
    "reading": Insert(
        _table(MeterReading),
        (
            "charger_id", "connector_id", "transaction_id", "at", "measurand", "value", "unit", "context",
            "phase", "location", "format", "raw_value", "raw_unit",
        ),
    ),
    "arrived": _of_charger("last_path", "last_address", "subprotocol"),
    "boot": _of_charger("boot", "vendor", "model", "serial_number", "firmware_version", "booted_at"),
    "firmware": _of_charger("firmware_status"),
    "diagnostics": _of_charger("diagnostics_status"),
    # What a batch adds to the day of a charger.
    "day": Insert(
        _table(ChargerDay),
        ("charger_id", "day", "energy_wh", "sessions"),
        """ON CONFLICT (charger_id, day) DO UPDATE
           SET energy_wh = charger_day.energy_wh + excluded.energy_wh,
               sessions = charger_day.sessions + excluded.sessions""",
    ),
    "refusal": Insert(_table(Refusal), ("at", "charger_id", "id_tag", "action", "status", "reason")),
    "odd_stop": Insert(
        _table(OddStop), ("charger_id", "received_at", "why", "claimed_id", "payload", "note")
    ),
    "unknown_tag": Insert(
        _table(UnknownTag),
        ("charger_id", "id_tag", "first_seen", "last_seen", "times"),
        """ON CONFLICT (charger_id, id_tag) DO UPDATE
           SET last_seen = excluded.last_seen, times = unknown_tag.times + excluded.times""",
    ),
    # An older notification never overwrites a newer one (OCPP 1.6, 4.9: they may arrive late).
    "status": Insert(
        _table(Connector),
        (
            "charger_id", "connector_id", "status", "error_code", "info", "vendor_id", "vendor_error_code",
            "since",
        ),
        """ON CONFLICT (charger_id, connector_id) DO UPDATE
           SET status = excluded.status, error_code = excluded.error_code, info = excluded.info,
               vendor_id = excluded.vendor_id, vendor_error_code = excluded.vendor_error_code,
               since = excluded.since
           WHERE connector.since IS NULL OR connector.since <= excluded.since""",
    ),
    "measured": Insert(
        _table(Connector),
        (
            "charger_id", "connector_id", "power_w", "meter_wh", "measured_at", "status", "error_code",
            "info", "vendor_id", "vendor_error_code",
        ),
        """ON CONFLICT (charger_id, connector_id) DO UPDATE
           SET power_w = COALESCE(excluded.power_w, connector.power_w),
               meter_wh = COALESCE(excluded.meter_wh, connector.meter_wh),
               measured_at = COALESCE(excluded.measured_at, connector.measured_at)
           WHERE excluded.measured_at IS NULL OR connector.measured_at IS NULL
              OR connector.measured_at <= excluded.measured_at""",
    ),
}  # fmt: skip
