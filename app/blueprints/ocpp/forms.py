"""What a request to ocpp must hold: pages, periods, filters, and what each staff command asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_admin.form import BaseForm, JSONField
from flask_babel import gettext, lazy_gettext, to_utc
from ocpp.v16.enums import MessageTrigger
from wtforms import Field, IntegerField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.blueprints.ocpp.errors import BadParameter
from app.blueprints.ocpp.services.history import Choice
from app.blueprints.ocpp.wire import V16

PER_PAGE = 200
MAX_PER_PAGE = 1000
MAX_PAGE = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Which part of a list; pages count from 1."""

    page: int
    per_page: int

    @classmethod
    def parse(cls, given: Mapping[str, str], per_page: int = PER_PAGE) -> Paging:
        """Read ``page`` and ``per_page``."""
        return cls(
            whole(given, "page", 1, highest=MAX_PAGE), whole(given, "per_page", per_page, highest=MAX_PER_PAGE)
        )


def whole(given: Mapping[str, str], name: str, default: int, *, lowest: int = 1, highest: int) -> int:
    """A whole number; ``default`` when it is not given. Raises ``BadParameter``."""
    text = given.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"-?[0-9]{1,20}", text) and lowest <= int(text) <= highest:
        return int(text)
    raise BadParameter(
        gettext(
            "%(name)s must be a whole number from %(lowest)s to %(highest)s",
            name=name, lowest=lowest, highest=highest,
        )  # fmt: skip
    )


def search_text(given: Mapping[str, str]) -> str:
    """What ``q`` searches for."""
    return given.get("q", "").replace("\0", "").strip()[:200]


def choice(given: Mapping[str, str]) -> Choice:
    """Which transactions: ``charger``, ``account``, ``since``, ``until``, ``running``.

    A day is one in the site's zone, and ``until`` includes it; a time without zone is taken there too.
    Raises ``BadParameter``.
    """
    return Choice(
        charger=given.get("charger", "").replace("\0", ""),
        account=given.get("account", "").replace("\0", ""),
        since=_time(given, "since", end=False),
        until=_time(given, "until", end=True),
        running=_switch(given, "running"),
    )


def _time(given: Mapping[str, str], name: str, *, end: bool) -> datetime | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    # A + that nobody escaped arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text
    try:
        at = datetime.fromisoformat(text)
        if end and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}", text):
            at += timedelta(days=1)
        return to_utc(at).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadParameter(
            gettext("%(name)s must be a day or a time, such as 2026-01-31 or 2026-01-31T08:00:00Z", name=name)
        ) from None


def _switch(given: Mapping[str, str], name: str) -> bool | None:
    text = given.get(name, "").strip().lower()
    if not text:
        return None
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise BadParameter(gettext("%(name)s must be 1 or 0", name=name))


class Command(BaseForm):
    """What a staff command asks for; its fields are named as ``commands`` names the parameters."""

    title = lazy_gettext("Command")
    help = ""

    def asked(self, name: str) -> dict[str, Any]:
        """The command ``name`` as the action address would be sent it."""
        return {"action": name} | {field.name: field.data for field in self if field.data not in (None, "")}


def _connector(*validators: Any, lowest: int = 1, **options: Any) -> IntegerField:
    within = NumberRange(lowest, 255)
    return IntegerField(lazy_gettext("Connector"), [*(validators or (Optional(),)), within], **options)


class RemoteStart(Command):
    """Start charging."""

    title = lazy_gettext("Remote start")
    id_tag = StringField(lazy_gettext("Id tag"), [DataRequired(), Length(max=20)])
    connector_id = _connector(description=lazy_gettext("Empty: the charger chooses."))


class RemoteStop(Command):
    """Stop charging."""

    title = lazy_gettext("Remote stop")
    transaction_id = IntegerField(
        lazy_gettext("Transaction"),
        [Optional(), NumberRange(1, 2**31 - 1)],
        description=lazy_gettext("Empty: the one that runs."),
    )


class Reset(Command):
    """Restart a charger."""

    title = lazy_gettext("Reset")
    type = SelectField(
        lazy_gettext("Kind"),
        choices=[
            ("Soft", lazy_gettext("Soft: end transactions, then restart")),
            ("Hard", lazy_gettext("Hard: restart at once")),
        ],
    )


class Unlock(Command):
    """Release a cable."""

    title = lazy_gettext("Unlock connector")
    connector_id = _connector(DataRequired(), default=1)


class ChangeAvailability(Command):
    """Take a charger out of service, or back."""

    title = lazy_gettext("Change availability")
    connector_id = _connector(
        InputRequired(), lowest=0, default=0, description=lazy_gettext("0: the whole charger.")
    )
    type = SelectField(
        lazy_gettext("Availability"),
        choices=[
            ("Operative", lazy_gettext("In service")),
            ("Inoperative", lazy_gettext("Out of service")),
        ],
    )


class TriggerMessage(Command):
    """Have a charger tell something now."""

    title = lazy_gettext("Trigger message")
    requested_message = SelectField(
        lazy_gettext("Message"), choices=[trigger.value for trigger in MessageTrigger]
    )
    connector_id = _connector(description=lazy_gettext("Empty: all of them."))


class AnyCommand(Command):
    """Any command, in the standard's own words."""

    title = lazy_gettext("Other command")
    action = SelectField(lazy_gettext("Command"), choices=sorted(V16.outgoing))
    payload = JSONField(
        lazy_gettext("Payload"), [Optional()], default=dict, description=lazy_gettext("A JSON object, as OCPP 1.6 defines it.")
    )

    def asked(self, name: str) -> dict[str, Any]:
        """The command as the action address would be sent it."""
        return {"action": self.action.data, "payload": self.payload.data or {}}


# name (of ``commands.ACTIONS``, but for the last) → what it asks
COMMANDS: dict[str, type[Command]] = {
    "remote_start": RemoteStart,
    "remote_stop": RemoteStop,
    "reset": Reset,
    "unlock": Unlock,
    "change_availability": ChangeAvailability,
    "trigger_message": TriggerMessage,
    "other": AnyCommand,
}


class Resolution(BaseForm):
    """What staff found out about a stop that fits no transaction."""

    note = TextAreaField(lazy_gettext("Note"), [DataRequired(), Length(max=2000)])


def is_charger_id(_form: BaseForm, field: Field) -> None:
    """Refuse an id that no charger could connect with."""
    text = field.data or ""
    if not text.strip() or "/" in text or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValidationError(gettext("An id has 1 to 100 characters, without slashes and control characters."))


def is_object(_form: BaseForm, field: Field) -> None:
    """Refuse JSON that is no object."""
    if field.data is not None and not isinstance(field.data, dict):
        raise ValidationError(gettext("This must be a JSON object."))
