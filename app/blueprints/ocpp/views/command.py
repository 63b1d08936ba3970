"""A command to one charger: its form, a warning where something may be lost, and the charger's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from app import access
from app.blueprints.ocpp import command_forms, commands, orders, words
from app.blueprints.ocpp.command_forms import Refused
from app.blueprints.ocpp.command_words import CONSEQUENCES, TITLES
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.errors import BadParameter
from app.blueprints.ocpp.views import bp
from app.blueprints.ocpp.views.charger_page import find
from app.domain_error import DomainError, NotFound

# Answers by which a charger says that it does, or did, what it was asked.
DONE = ("Accepted", "Unlocked", "Scheduled", "RebootRequired")
CONFIRMED = "confirmed"


@dataclass
class Outcome:
    """What came of a form: the charger's answer, or why there is none."""

    answer: Answer | None = None
    failure: str = ""
    # Field → what is wrong.
    errors: Mapping[str, str] = field(default_factory=dict)
    status_code: int = 200


@bp.get("/chargers/<charger_id>/commands/<action>/")
@access.allow(access.STAFF)
def command(charger_id: str, action: str) -> ResponseReturnValue:
    """Ask for what a command needs; the address may fill it in."""
    filled_in = {**commands.DEFAULTS.get(action, {}), **request.args.to_dict()}
    return _page(charger_id, action, filled_in, Outcome())


@bp.post("/chargers/<charger_id>/commands/<action>/")
@access.allow(access.STAFF)
def send_command(charger_id: str, action: str) -> ResponseReturnValue:
    """Send a command, and show what the charger answers."""
    given = request.form.to_dict()
    _title(action)
    find(charger_id)
    outcome = Outcome() if "more" in given else _send(charger_id, action, given)
    return _page(charger_id, action, given, outcome)


def _send(charger_id: str, action: str, given: Mapping[str, str]) -> Outcome:
    try:
        payload = command_forms.payload(action, given)
        commands.check(action, payload)
    except Refused as refused:
        return Outcome(errors=refused.errors, status_code=400)
    except BadParameter as refused:
        return Outcome(failure=str(refused.detail), status_code=400)
    if action in CONSEQUENCES and given.get(CONFIRMED) != "1":
        return Outcome(errors={CONFIRMED: gettext("Say that you know what happens.")}, status_code=400)
    user = access.caller().user
    assert user is not None  # the guard has let staff pass
    try:
        return Outcome(orders.give(user.id, charger_id, {"action": action, "payload": payload}))
    except DomainError as refused:
        return Outcome(failure=str(refused.detail), status_code=refused.status_code)


def _page(charger_id: str, action: str, given: Mapping[str, str], outcome: Outcome) -> ResponseReturnValue:
    page = render_template(
        "ocpp/command.html", seen=find(charger_id), action=action, title=_title(action), words=words,
        fields=command_forms.fields(action), given=given, rows_of=command_forms.rows_of, outcome=outcome,
        consequence=CONSEQUENCES.get(action), confirmed=CONFIRMED, done=DONE,
    )  # fmt: skip
    return page, outcome.status_code, {"Cache-Control": "no-store"}


def _title(action: str) -> Any:
    """What a command does. Raises ``NotFound``: there are no others."""
    if action not in TITLES:
        raise NotFound("not found")
    return TITLES[action]
