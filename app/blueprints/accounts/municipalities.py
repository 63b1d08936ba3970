"""The municipalities of Coahuila and Nuevo León: the states whose addresses are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.blueprints.accounts.errors import BadMunicipality, BadState

_FILE = Path(__file__).with_name("municipalities.json")
_STATES: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))

# Code → the state's name.
STATES: dict[str, str] = {code: state["name"] for code, state in _STATES.items()}
# Code → its municipalities, in alphabetical order.
MUNICIPALITIES: dict[str, list[str]] = {code: state["municipalities"] for code, state in _STATES.items()}


def check(state: str, municipality: str | None) -> None:
    """Raise ``BadState``, or ``BadMunicipality`` where one is told that does not lie in the state."""
    if state not in STATES:
        raise BadState
    if municipality is not None and municipality not in MUNICIPALITIES[state]:
        raise BadMunicipality(municipality, STATES[state])
