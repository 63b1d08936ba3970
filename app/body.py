"""What a request to a JSON address carries."""

from __future__ import annotations

from typing import Any

from flask import request


def body() -> dict[str, Any]:
    """The fields of a request: JSON, and a body that is not JSON is read as a form (contract, section 3)."""
    try:
        told = request.get_json(force=True, silent=True)
    except RecursionError:  # nested deeper than anybody means it
        return {}
    return told if isinstance(told, dict) else request.form.to_dict()
