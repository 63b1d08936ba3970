"""Keeps mapped objects from a crash of Python 3.11.

That version makes the ``__dict__`` of an object when it is first asked for. Making it may start the garbage
collector, and the collector may call back for the same object and make it once more. Then two dicts own the
same values, which are freed twice. SQLAlchemy's state of a mapped object is called back when the object goes,
and the closing of a session asks one state after the other for something new: with a thousand objects the
process died. Python 3.12 and later collect between two instructions only.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm.attributes import instance_state


def guard(base: type[Any]) -> None:
    """Have every state of ``base``'s objects make its dict at once, while its object is held."""
    if sys.version_info >= (3, 12):
        return
    event.listen(base, "load", lambda target, context: _make_dict(target), propagate=True)
    event.listen(base, "init", lambda target, args, kwargs: _make_dict(target), propagate=True)


def _make_dict(target: Any) -> None:
    vars(instance_state(target))
