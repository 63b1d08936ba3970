"""Whether this process has been told to stop: long work looks here between its pieces."""

from __future__ import annotations

import threading

told = threading.Event()


class HandedBack(Exception):
    """A task stops before its end because its process does; what is left is found again."""


def check() -> None:
    """Raise ``HandedBack`` when this process is to stop."""
    if told.is_set():
        raise HandedBack
