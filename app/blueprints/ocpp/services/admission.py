"""Who may come in: a charge point at the door, before its socket is accepted."""

from __future__ import annotations

from dataclasses import dataclass

from app.blueprints.ocpp.work import Work


@dataclass(frozen=True, slots=True)
class Admission:
    """What the door knows of a charger."""

    id: int
    blocked: bool
    auth_key_hash: str
    validation: str
    registration_status: str
    # It has booted before: a reconnect needs no Boot (OCPP-J 1.6, 5.4).
    booted: bool
    # Path, address and subprotocol of its last connection, as they are stored.
    place: tuple[str, str, str]


_REGISTER = """
    INSERT INTO charger (charger_id, name, config, require_rfid, registration_status, blocked, validation,
        auth_key_hash, boot, vendor, model, serial_number, firmware_version, last_path, last_address,
        subprotocol, firmware_status, diagnostics_status, created_at)
    VALUES (?, '', '{}', ?, 'Accepted', ?, '', '', '{}', '', '', '', '', ?, ?, ?, '', '', ?)
    ON CONFLICT (charger_id) DO NOTHING
"""


def find(work: Work, charger_id: str) -> Admission | None:
    """The charger with this id, if it is known."""
    row = work.knocking(charger_id)
    if row is None:
        return None
    _, id, blocked, key_hash, validation, status, booted_at, *place = row
    return Admission(
        id, bool(blocked), key_hash, validation, status, booted_at is not None, (place[0], place[1], place[2])
    )


def register(work: Work, charger_id: str, place: tuple[str, str, str]) -> Admission:
    """Create a charger that nobody knew, where it connects."""
    work.db.run(_REGISTER, (charger_id, work.settings.require_rfid, False, *place, work.stored_now))
    work.forget_knocking(charger_id)
    work.changed(charger_id)
    found = find(work, charger_id)
    assert found is not None
    return found


def place(path: str, address: str, subprotocol: str) -> tuple[str, str, str]:
    """Where and how a charger connects, as it is stored."""
    return _storable(path), address[:64], subprotocol


def arrived(work: Work, charger: int, place: tuple[str, str, str]) -> None:
    """Keep where and how a charger connected."""
    work.put("arrived", charger, (*place, charger))


def impostor(work: Work, charger: int, charger_id: str, *, address: str, present: str) -> None:
    """A keyless second comer from elsewhere was refused: staff see it in the audit trail."""
    details = '{"address": "%s", "connected_from": "%s"}' % (address, present)  # noqa: UP031 - addresses only
    work.db.run(
        """INSERT INTO audit_entry (at, username, action, subject, subject_id, details)
           VALUES (?, '', 'charger.impostor', 'charger', ?, ?)""",
        (work.stored_now, charger_id, details),
    )


def _storable(path: str) -> str:
    """A path may hold %00, which PostgreSQL refuses."""
    return path[:1000].replace("\x00", "\ufffd")
