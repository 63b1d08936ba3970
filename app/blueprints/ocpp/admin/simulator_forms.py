"""What the staff screens of simulators ask, and what they take."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from flask import current_app
from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, Field, Form, IntegerField, StringField, ValidationError
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from app.blueprints.ocpp.models.simulators import LONGEST_S, MOST_CONNECTORS, MOST_KWH
from app.blueprints.ocpp.services import simulators
from app.blueprints.ocpp.simulated_charge_point.config import charge_point_id
from app.db import db

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
HOST_NAME = re.compile(r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*\.?")
# What a server that listens on every address is reached at from the same machine.
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
LONGEST_ID = 100


def own_host() -> str:
    """This server's own address."""
    host = current_app.config["HOST"]
    return str(EVERYWHERE.get(host, host))


def own_port() -> int:
    """This server's own port."""
    return int(current_app.config["PORT"])


def is_host(_form: Form, field: Field) -> None:
    """Refuse what is neither a host's name nor an address."""
    field.data = (field.data or "").strip()
    if HOST_NAME.fullmatch(field.data):
        return
    try:
        ipaddress.ip_address(field.data)
    except ValueError:
        raise ValidationError(gettext("This must be a host's name or an IP address.")) from None


def is_path(_form: Form, field: Field) -> None:
    """Refuse a path that no charger could connect to."""
    field.data = (field.data or "").strip()
    id = charge_point_id(field.data)
    if id in ("", ".", "..") or len(id) > LONGEST_ID or CONTROL.search(field.data):
        raise ValidationError(
            gettext("It ends in the charger's id: 1 to 100 characters, no control characters.")
        )


def has_no_colon(_form: Form, field: Field) -> None:
    """Basic auth ends the user name at its first colon (RFC 7617)."""
    if ":" in (field.data or ""):
        raise ValidationError(gettext("A user name has no colon."))


def is_plain(_form: Form, field: Field) -> None:
    """Refuse control characters, which neither headers nor databases carry."""
    if CONTROL.search(field.data or ""):
        raise ValidationError(gettext("Control characters are not allowed."))


SECONDS = [NumberRange(1, LONGEST_S)]
ENERGY = [Optional(), NumberRange(0, MOST_KWH)]
FIELDS: dict[str, dict[str, Any]] = {
    "cp_path": {
        "validators": [is_path],
        "description": lazy_gettext("What follows the port; its last part is the charger's id."),
    },
    "host": {
        "validators": [is_host],
        "description": lazy_gettext("The server to connect to; at first this one."),
    },
    "ws_port": {"validators": [NumberRange(1, 65535)]},
    "rfid": {
        "validators": [Optional(), is_plain],
        "description": lazy_gettext("The tag that it charges with. Empty: FFFFFFFF."),
    },
    "repeat": {"description": lazy_gettext("Charge again and again, until it is stopped.")},
    "autostart": {
        "description": lazy_gettext("Off: it connects, and charges only when it is told to."),
    },
    "connectors": {"validators": [NumberRange(1, MOST_CONNECTORS)]},
    "duration_s": {"validators": SECONDS},
    "interval_s": {"validators": SECONDS},
    "pre_charge_delay_s": {"validators": [NumberRange(0, LONGEST_S)]},
    "power_kw": {
        "validators": [NumberRange(0.1, 1000)],
        "description": lazy_gettext("A charge takes what this delivers in its duration. Usual: 7.4, 11, 22."),
    },
    "kwh_min": {
        "validators": ENERGY,
        "description": lazy_gettext(
            "Of a charge, whatever power that takes. Empty: it follows from the power."
        ),
    },
    "kwh_max": {"validators": ENERGY},
    "username": {
        "validators": [Optional(), has_no_colon, is_plain],
        "description": lazy_gettext("For Basic auth. Empty: the charger's id, when there is a password."),
        "render_kw": {"autocomplete": "off"},
    },
    "password": {
        "validators": [Optional(), Length(max=100), is_plain],
        "description": lazy_gettext("The charger's key, if it has one. Left empty, it stays as it is."),
        "render_kw": {"autocomplete": "new-password"},
    },
}


def fits(form: Form) -> bool:
    """Whether the least and the most energy fit each other; the field that is wrong gets an error."""
    low, high = form.kwh_min.data, form.kwh_max.data
    if (low is None) != (high is None):
        empty = form.kwh_min if low is None else form.kwh_max
        return _refuse(empty, gettext("Give both the least and the most energy, or neither."))
    if low is not None and high is not None and low > high:
        return _refuse(form.kwh_max, gettext("The most energy is less than the least."))
    return True


def is_free(form: Form, besides: int | None) -> bool:
    """Whether no simulator but ``besides`` is this charger; else the path gets an error."""
    if same := simulators.same_chargers(
        db.session(),
        host=form.host.data,
        ws_port=form.ws_port.data,
        cp_paths=[form.cp_path.data],
        besides=besides,
    ):
        return _refuse(form.cp_path, gettext("%(name)s is this charger already.", name=same[0]))
    return True


def _refuse(field: Field, why: str) -> bool:
    field.errors = [*field.errors, why]
    return False


def many(one: type[Form]) -> type[Form]:
    """The form that makes many, from the one that makes one."""
    return type(
        "ManySimulators",
        (one,),
        {
            "count": IntegerField(
                lazy_gettext("How many"), [NumberRange(1, simulators.MOST_AT_ONCE)], default=10
            ),
            "first": IntegerField(lazy_gettext("First number"), [NumberRange(0, 999_999)], default=1),
            "name": StringField(
                lazy_gettext("Name"), [DataRequired(), Length(max=90), is_plain], default="SIM",
                description=lazy_gettext("Each gets this name and its number."),
            ),
            "cp_path": StringField(
                lazy_gettext("Path"), [DataRequired(), Length(max=240), is_path], default="SIM",
                description=lazy_gettext("Each connects to this path and its number: SIM1, SIM2, …"),
            ),
            "start": BooleanField(lazy_gettext("Start them at once"), default=True),
        },
    )  # fmt: skip
