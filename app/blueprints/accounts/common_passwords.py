"""The passwords that are tried first, in lower case; digits and signs after them make them no better."""

from __future__ import annotations

from pathlib import Path

COMMON = frozenset(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").split())
