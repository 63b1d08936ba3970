"""Who may charge: the verdict on an id tag, and why (OCPP 1.6, 4.1 and 7.8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.blueprints.ocpp.rows import ChargerRow, TagRow
from app.blueprints.ocpp.work import Work

# A transaction whose charger has been silent for longer does not keep its tag from starting elsewhere.
SILENT = timedelta(minutes=15)

# reason → what the charger is told
REASONS = {
    "blocked": "Blocked",
    "expired": "Expired",
    "unknown": "Invalid",
    "no_owner": "Invalid",
    "owner_locked": "Blocked",
    "no_credit": "Blocked",
    "concurrent": "ConcurrentTx",
    "not_registered": "Invalid",
    "no_tag": "Invalid",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a tag; ``reason`` is empty when it was accepted, else a word of ``REASONS``."""

    reason: str = ""
    account_id: int | None = None
    expires_at: datetime | None = None
    parent: str | None = None

    @property
    def status(self) -> str:
        """The AuthorizationStatus of OCPP 1.6, 7.2."""
        return REASONS[self.reason] if self.reason else "Accepted"

    @property
    def accepted(self) -> bool:
        return not self.reason


def normalized(id_tag: str | None) -> str:
    """Tags compare without case (OCPP 1.6, 3.9: IdToken is case insensitive)."""
    return (id_tag or "").strip().upper()[:255]


def decide(work: Work, charger: ChargerRow, id_tag: str) -> Verdict:
    """Whether a (normalized) tag may charge at this charger, now."""
    tag = work.find_tag(id_tag) if id_tag else None
    reason = _reason(work, charger, id_tag, tag)
    if tag is None:
        return Verdict(reason)
    return Verdict(reason, tag.account_id, tag.expires_at, tag.parent)


def _reason(work: Work, charger: ChargerRow, id_tag: str, tag: TagRow | None) -> str:
    # What staff blocked, and what has expired, is refused everywhere.
    if tag is not None and not tag.allowed:
        return "blocked"
    if tag is not None and tag.expires_at is not None and tag.expires_at <= work.now:
        return "expired"
    if not charger.require_rfid:
        return ""
    if tag is None:
        return "unknown" if id_tag else "no_tag"
    if tag.user_id is None:
        return "no_owner"
    if not tag.user_active:
        return "owner_locked"
    return "" if tag.may_charge() else "no_credit"


def charges_elsewhere(work: Work, charger: ChargerRow, connector_id: int, id_tag: str) -> bool:
    """Whether a known tag has a running transaction on a charger that still speaks (ConcurrentTx).

    A transaction on this very connector does not count: the new start ends it.
    """
    tag = work.find_tag(id_tag) if id_tag else None
    if tag is None or tag.service_account:
        return False
    replaced = {row.id for row in work.running(charger.id) if row.connector_id == connector_id}
    return any(
        seen is not None and work.now - seen <= SILENT
        for id, seen in work.running_elsewhere(id_tag)
        if id not in replaced
    )


def remember(work: Work, charger: ChargerRow, id_tag: str, action: str, verdict: Verdict) -> None:
    """Keep what staff will ask about: the refusal and its reason, and tags that nobody knows."""
    if not verdict.accepted:
        work.add(
            "refusal",
            (work.stored_now, charger.id, id_tag, action, verdict.status, verdict.reason),
        )
    if id_tag and work.find_tag(id_tag) is None:
        _remember_unknown(work, charger, id_tag)


def _remember_unknown(work: Work, charger: ChargerRow, id_tag: str) -> None:
    now, key = work.stored_now, (charger.id, id_tag)
    found = work.put_found("unknown_tag", key)
    work.put("unknown_tag", key, (charger.id, id_tag, now, now, found[4] + 1 if found else 1))
