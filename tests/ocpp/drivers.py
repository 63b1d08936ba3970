"""People, tags and books of a running server, and charging in a line over a real socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.ocpp import answers
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import read, write
from tests.servers import RunningServer

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}


def add_driver(
    server: RunningServer, *, credit_wh: int = 100_000, service: bool = False, active: bool = True
) -> int:
    """A user with an account; the account's id."""
    name = new_id("driver")
    write(
        server,
        """INSERT INTO user (username, password, email, phone_number, has_charger, is_staff, is_superuser,
           language, is_active, session_key, added_on)
           VALUES (?, '', '', '', 0, 0, 0, '', ?, '', '2026-01-01 00:00:00.000000')""",
        name,
        active,
    )
    write(
        server,
        """INSERT INTO account (user_id, service_account, credited_wh, spent_wh)
           SELECT id, ?, ?, 0 FROM user WHERE username = ?""",
        service,
        credit_wh,
        name,
    )
    found = read(
        server, "SELECT a.id FROM account a JOIN user u ON u.id = a.user_id WHERE username = ?", name
    )
    return int(found[0]["id"])


def add_tag(
    server: RunningServer,
    account: int | None,
    *,
    allowed: bool = True,
    expires_at: str | None = None,
    parent: str | None = None,
) -> str:
    """A known tag, of an account or of nobody."""
    id_tag = new_id("T").upper()[:20]
    write(
        server,
        """INSERT INTO rfid (rfid, user_id, allowed, added_on, expires_at, parent)
           VALUES (?, (SELECT user_id FROM account WHERE id = ?), ?, '2026-01-01 00:00:00.000000', ?, ?)""",
        id_tag,
        account,
        allowed,
        expires_at,
        parent,
    )
    return id_tag


def spent(server: RunningServer, account: int) -> int:
    """An account's running total, in Wh."""
    return int(read(server, "SELECT spent_wh FROM account WHERE id = ?", account)[0]["spent_wh"])


def check_books(server: RunningServer) -> None:
    """Every account's total, and every charger's days, are the sum of their transactions' energy."""
    wrong = read(
        server,
        """SELECT a.id, a.spent_wh, COALESCE(SUM(t.energy_wh), 0) AS used_wh
           FROM account a LEFT JOIN charge_transaction t ON t.account_id = a.id
           GROUP BY a.id HAVING a.spent_wh <> used_wh""",
    )
    assert wrong == []
    wrong = read(
        server,
        """SELECT charger_id, SUM(wh) AS difference FROM (
               SELECT charger_id, energy_wh AS wh FROM charge_transaction
               UNION ALL SELECT charger_id, -energy_wh FROM charger_day
           ) GROUP BY charger_id HAVING difference <> 0""",
    )
    assert wrong == []


def transaction(server: RunningServer, id: int) -> dict[str, Any]:
    """A transaction's row."""
    (row,) = read(server, "SELECT * FROM charge_transaction WHERE id = ?", id)
    return row


def ask(charger: ChargePoint, action: str, payload: Any = None) -> dict[str, Any]:
    """The payload of the answer; it is a CALLRESULT that its schema allows."""
    return answers.result(action, charger.ask(action, payload))


def authorized(charger: ChargePoint, id_tag: Any) -> str:
    """What Authorize answers."""
    return str(ask(charger, "Authorize", {"idTag": id_tag})["idTagInfo"]["status"])


def started(charger: ChargePoint, id_tag: str, **fields: Any) -> dict[str, Any]:
    """Start a transaction; the answer."""
    payload = {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": ago()}
    return ask(charger, "StartTransaction", payload | fields)


def start(charger: ChargePoint, id_tag: str, **fields: Any) -> int:
    """Start a transaction that is accepted; its id."""
    answer = started(charger, id_tag, **fields)
    assert answer["idTagInfo"]["status"] == "Accepted"
    return int(answer["transactionId"])


def meter(
    charger: ChargePoint, register_wh: int, id: int | None, at: str | None = None, **fields: Any
) -> None:
    """Tell the register."""
    told = {"timestamp": at or ago(), "sampledValue": [{"value": str(register_wh)}]}
    payload = {"connectorId": 1, "meterValue": [told]} | ({} if id is None else {"transactionId": id})
    assert ask(charger, "MeterValues", payload | fields) == {}


def stop(charger: ChargePoint, id: Any, meter_stop: Any, **fields: Any) -> dict[str, Any]:
    """End a transaction; the answer."""
    payload = {"transactionId": id, "meterStop": meter_stop, "timestamp": ago()}
    return ask(charger, "StopTransaction", payload | fields)


def status(charger: ChargePoint, word: str, connector: int = 1, **fields: Any) -> None:
    """Tell a connector's status."""
    told = {"connectorId": connector, "status": word, "errorCode": "NoError", "timestamp": ago()}
    assert ask(charger, "StatusNotification", told | fields) == {}


def ago(**span: float) -> str:
    """A time, as chargers write it."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat().replace("+00:00", "Z")


def stored(at: datetime) -> str:
    """A time, as SQLite keeps it."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
