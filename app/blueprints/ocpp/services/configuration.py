"""What a charger told of its configuration (OCPP 1.6, 5.8): kept with the charger, without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.blueprints.ocpp.models import Charger
from app.clock import utcnow
from app.db import UnitOfWork

# Commands after whose answers something is known anew.
ACTIONS = ("GetConfiguration", "ChangeConfiguration")
SECRET = re.compile(r"password|passphrase|secret|token|authorizationkey", re.IGNORECASE)
MASK = "********"
# Keys and characters of a value that are kept of one charger: more is nonsense.
MAX_KEYS, MAX_VALUE = 1000, 2000


@dataclass(frozen=True)
class Key:
    """One key of a configuration; None: it has no value, or does not tell it."""

    name: str
    value: str | None
    readonly: bool

    @property
    def is_secret(self) -> bool:
        """Whether its value is not shown."""
        return SECRET.search(self.name) is not None


def told(charger: Charger) -> list[Key]:
    """What is known of a charger's configuration, by name; empty while it was never asked."""
    kept = charger.reported_config or {}
    return [
        Key(name, item["value"], item["readonly"])
        for name, item in sorted(kept.items(), key=lambda pair: pair[0].casefold())
    ]


def learn(
    work: UnitOfWork, charger_id: str, action: str, asked: Mapping[str, Any], response: Mapping[str, Any]
) -> None:
    """Keep what the answer to one of ``ACTIONS`` says."""
    charger = work.scalar(select(Charger).where(Charger.charger_id == charger_id))
    if charger is None:
        return
    known = dict(charger.reported_config or {})
    if action == "GetConfiguration":
        known = _answered(known if asked.get("key") else {}, response)
    elif response.get("status") in ("Accepted", "RebootRequired"):
        known |= _kept({**asked, "readonly": False})
    else:
        return
    charger.reported_config = dict(list(known.items())[:MAX_KEYS])
    charger.reported_config_at = utcnow()


def _answered(known: dict[str, Any], response: Mapping[str, Any]) -> dict[str, Any]:
    keys = response.get("configurationKey")
    for item in keys if isinstance(keys, list) else ():
        if isinstance(item, dict):
            known |= _kept(item)
    unknown = response.get("unknownKey")
    for name in unknown if isinstance(unknown, list) else ():
        known.pop(str(name), None)
    return known


def _kept(item: Mapping[str, Any]) -> dict[str, Any]:
    name, value = str(item.get("key", ""))[:100], item.get("value")
    if not name:
        return {}
    shown = MASK if value and SECRET.search(name) else value
    return {
        name: {
            "value": None if shown is None else str(shown)[:MAX_VALUE],
            "readonly": item.get("readonly") is True,
        }
    }
