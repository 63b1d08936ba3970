"""Commands from the staff screen: a form for the selected chargers, then what each of them answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flask import current_app, redirect, request
from flask_admin import expose
from flask_admin.actions import action
from flask_babel import force_locale, get_locale, lazy_gettext
from sqlalchemy import select
from werkzeug.wrappers import Response

from app.blueprints.ocpp import dispatch, orders
from app.blueprints.ocpp.admin.bases import caller_id
from app.blueprints.ocpp.admin.forms import COMMANDS, Command
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.models import Charger
from app.db import db
from app.domain_error import DomainError, NotFound

# Chargers that one form commands at most, and that are asked at the same time.
MAX_CHARGERS = 500
AT_ONCE = 50


@dataclass(frozen=True)
class Outcome:
    """What came of a command at one charger."""

    charger: Charger
    answer: Answer | None
    failure: str = ""


class Commands:
    """The part of the charger screen that commands."""

    @action("remote_start", lazy_gettext("Remote start …"))
    def action_remote_start(self, ids: Sequence[str]) -> Response:
        """Start charging."""
        return self._ask("remote_start", ids)

    @action("remote_stop", lazy_gettext("Remote stop …"))
    def action_remote_stop(self, ids: Sequence[str]) -> Response:
        """Stop charging."""
        return self._ask("remote_stop", ids)

    @action("reset", lazy_gettext("Reset …"))
    def action_reset(self, ids: Sequence[str]) -> Response:
        """Restart chargers."""
        return self._ask("reset", ids)

    @action("unlock", lazy_gettext("Unlock connector …"))
    def action_unlock(self, ids: Sequence[str]) -> Response:
        """Release cables."""
        return self._ask("unlock", ids)

    @action("change_availability", lazy_gettext("Change availability …"))
    def action_change_availability(self, ids: Sequence[str]) -> Response:
        """Take chargers out of service, or back."""
        return self._ask("change_availability", ids)

    @action("trigger_message", lazy_gettext("Trigger message …"))
    def action_trigger_message(self, ids: Sequence[str]) -> Response:
        """Have chargers tell something now."""
        return self._ask("trigger_message", ids)

    @action("other", lazy_gettext("Other command …"))
    def action_other(self, ids: Sequence[str]) -> Response:
        """Send any other command."""
        return self._ask("other", ids)

    @expose("/command/<command>/", methods=("GET", "POST"))
    def command_view(self, command: str) -> Any:
        """Ask for a command's parameters, send it, and show the answers."""
        if command not in COMMANDS:
            raise NotFound("not found")
        chargers = _chosen(request.values.getlist("id"))
        form: Command = COMMANDS[command](
            request.form if request.method == "POST" else None, data=request.args
        )
        if chargers and request.method == "POST" and form.validate():
            outcomes = _send(chargers, form.asked(command))
            return self.render("ocpp/admin/answers.html", form=form, outcomes=outcomes)  # type: ignore[attr-defined]
        connected = dispatch.presence()
        return self.render(  # type: ignore[attr-defined]
            "ocpp/admin/command.html", form=form, chargers=chargers, connected=connected, command=command
        )

    def _ask(self, name: str, ids: Sequence[str]) -> Response:
        return redirect(self.get_url(".command_view", command=name, id=ids[:MAX_CHARGERS]))  # type: ignore[attr-defined]


def _chosen(ids: Sequence[str]) -> Sequence[Charger]:
    wanted = [int(id) for id in ids[:MAX_CHARGERS] if id.isascii() and id.isdecimal() and len(id) < 10]
    return db.session.scalars(
        select(Charger).where(Charger.id.in_(wanted)).order_by(Charger.charger_id)
    ).all()


def _send(chargers: Sequence[Charger], asked: dict[str, Any]) -> list[Outcome]:
    """Ask all of them at the same time: each may take as long as a command may."""
    app, user_id, language = current_app._get_current_object(), caller_id(), get_locale()  # type: ignore[attr-defined]

    def one(charger: Charger) -> Outcome:
        with app.app_context(), force_locale(language):
            try:
                return Outcome(charger, orders.give(user_id, charger.charger_id, asked))
            except DomainError as refusal:
                return Outcome(charger, None, str(refusal.detail))

    db.session.remove()  # nobody keeps a database connection while chargers think
    with ThreadPoolExecutor(min(AT_ONCE, len(chargers))) as asking:
        return list(asking.map(one, chargers))
