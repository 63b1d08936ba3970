"""The forms of the staff screens: what each command asks, and how a charger may be named."""

from __future__ import annotations

from typing import Any

from flask_admin.form import BaseForm, JSONField
from flask_babel import gettext, lazy_gettext
from wtforms import Field, IntegerField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.blueprints.ocpp.wire import V16


class Command(BaseForm):
    """What a staff command asks for; its fields are named as ``commands`` names the parameters."""

    title = lazy_gettext("Command")

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
        lazy_gettext("Message"),
        choices=V16.outgoing["TriggerMessage"].schema["properties"]["requestedMessage"]["enum"],
    )
    connector_id = _connector(description=lazy_gettext("Empty: all of them."))


class AnyCommand(Command):
    """Any command, in the standard's own words."""

    title = lazy_gettext("Other command")
    action = SelectField(lazy_gettext("Command"), choices=sorted(V16.outgoing))
    payload = JSONField(
        lazy_gettext("Payload"),
        [Optional()],
        default=dict,
        description=lazy_gettext("A JSON object, as OCPP 1.6 defines it."),
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
        raise ValidationError(
            gettext("An id has 1 to 100 characters, without slashes and control characters.")
        )


def is_object(_form: BaseForm, field: Field) -> None:
    """Refuse JSON that is no object."""
    if field.data is not None and not isinstance(field.data, dict):
        raise ValidationError(gettext("This must be a JSON object."))
