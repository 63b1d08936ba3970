"""The words and colours in which pages tell how a simulator does."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.blueprints.ocpp.models import Simulator
from app.blueprints.ocpp.services.simulators import NO_WORKER

# services.simulators.shown → words.
STATES = {
    "waiting": lazy_gettext("Waiting for the worker"),
    "stopped": lazy_gettext("Stopped"),
    "connecting": lazy_gettext("Connecting"),
    "booting": lazy_gettext("Waiting to be accepted"),
    "available": lazy_gettext("Idle"),
    "charging": lazy_gettext("Charging"),
    "offline": lazy_gettext("Trying again"),
    "stopping": lazy_gettext("Stopping"),
    "finished": lazy_gettext("Finished"),
    "failed": lazy_gettext("Failed"),
    NO_WORKER: lazy_gettext("Stopped: the worker is not running"),
}
# Bootstrap's colour of each.
COLOURS = {
    "waiting": "info",
    "connecting": "info",
    "booting": "info",
    "available": "success",
    "charging": "primary",
    "offline": "warning",
    "stopping": "info",
    "failed": "danger",
    NO_WORKER: "danger",
}
# All is well in these: an error that is still shown is an old one.
WELL = ("available", "charging", "finished", "stopped")


def state(name: str) -> str:
    """A simulator's state."""
    return str(STATES[name])


def colour(name: str) -> str:
    """The colour of a state."""
    return COLOURS.get(name, "secondary")


def error(row: Simulator) -> str:
    """What went wrong last, in the language of the page; empty where nothing has."""
    return gettext(row.last_error, **row.last_error_facts) if row.last_error else ""
