"""Drivers for the chargers of a load; two of them alike but for their history, whose cost must not grow."""

from scripts.benchmark.database import Database

SHORT = 10
# Of the charger whose history it is.
_CHARGER = 1
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count} - 1)"
# Tags are numbered from 0, as the load has them; ids from 1.
_DRIVERS = (
    """
    INSERT INTO "user" (id, username, password, email, phone_number, language, has_charger, is_staff,
        is_superuser, is_active, session_key, added_on)
    {numbers} SELECT i + 1, 'driver' || i, '', '', '', '', false, false, false, true, '', {now} FROM n
    """,
    """
    INSERT INTO account (id, user_id, service_account, credited_wh, spent_wh)
    {numbers} SELECT i + 1, i + 1, false, 1000000000000, 0 FROM n
    """,
    """
    INSERT INTO rfid (rfid, user_id, allowed, added_on)
    {numbers} SELECT 'BENCH' || i, i + 1, true, {now} FROM n
    """,
)
_STATION = """
    INSERT INTO charger (id, charger_id, name, config, require_rfid, registration_status, blocked, validation,
        auth_key_hash, boot, vendor, model, serial_number, firmware_version, last_path, last_address,
        subprotocol, firmware_status, diagnostics_status, created_at)
    VALUES ({charger}, 'HISTORY', '', '{{}}', true, 'Accepted', false, '', '', '{{}}', '', '', '', '', '', '',
        '', '', '', {now})
"""
_TRANSACTIONS = """
    INSERT INTO charge_transaction (charger_id, connector_id, id_tag, account_id, meter_start_wh,
        meter_last_wh, meter_stop_wh, energy_wh, started_at, stopped_at, received_at, stop_received_at,
        stop_reason, stop_id_tag, refused, flags)
    {numbers}
    SELECT {charger}, 1, 'BENCH{index}', {id}, 1000 * i, 1000 * i + 1000, 1000 * i + 1000, 1000, {now}, {now},
        {now}, {now}, 'Local', '', '', '' FROM n
"""

# One long session of each charger of a load, and its readings.
_SESSIONS = """
    INSERT INTO charge_transaction (charger_id, connector_id, id_tag, meter_start_wh, energy_wh, started_at,
        stopped_at, received_at, stop_reason, stop_id_tag, refused, flags)
    SELECT id, 1, 'HISTORY', 0, 0, {now}, {now}, {now}, 'Local', '', '', '' FROM charger
"""
_READINGS = """
    INSERT INTO meter_reading (charger_id, connector_id, transaction_id, at, measurand, value, unit, context,
        phase, location, format)
    {numbers}
    SELECT t.charger_id, 1, t.id, t.started_at, 'Energy.Active.Import.Register', i, 'Wh', 'Sample.Periodic',
        '', '', '' FROM n CROSS JOIN charge_transaction t WHERE t.id_tag = 'HISTORY'
"""


def give_drivers(database: Database, count: int) -> None:
    """Make the tags of a load's first chargers known: each has a driver with credit."""
    for statement in _DRIVERS:
        database.execute(statement.format(numbers=_NUMBERS.format(count=count), now=database.now))


def give(database: Database, long: int) -> None:
    """Add the drivers of the tags ``BENCH0``, with ``SHORT`` transactions, and ``BENCH1``, with ``long``."""
    give_drivers(database, 2)
    database.execute(_STATION.format(charger=_CHARGER, now=database.now))
    for index, count in enumerate((SHORT, long)):
        numbers = _NUMBERS.format(count=count)
        values = {"numbers": numbers, "id": index + 1, "index": index, "charger": _CHARGER}
        database.execute(_TRANSACTIONS.format(**values, now=database.now))


def give_readings(database: Database, count: int) -> None:
    """Add so many readings, the same number to every charger that is there."""
    database.execute(_SESSIONS.format(now=database.now))
    [(chargers,)] = database.query("SELECT count(*) FROM charger")
    database.execute(_READINGS.format(numbers=_NUMBERS.format(count=count // chargers)))
