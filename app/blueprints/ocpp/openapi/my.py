"""What drivers ask of their own account, in the words of OpenAPI."""

from __future__ import annotations

from typing import Any

from app.blueprints.ocpp.errors import NoAccount
from app.blueprints.ocpp.feeds.own import Watch
from app.blueprints.ocpp.feeds.streams import TooManyViewers
from app.blueprints.ocpp.openapi.schemas import CONNECTOR_NUMBER, POWER, STATUS
from app.blueprints.ocpp.services import curves
from app.blueprints.ocpp.services.drivers import MAX_RUNNING
from app.domain_error import NotFound
from app.openapi_base import Node, answer, array, in_path, of, record, ref, refusals, time

SESSION = in_path("transaction_id", "One of your sessions.", of("integer", minimum=0, examples=[17]))

SCHEMAS: dict[str, Node] = {
    "OwnSession": record(
        {
            "id": of("integer"),
            "charger": of("string", "The charger's id."),
            "name": of("string", "The charger's name; may be empty."),
            "connector": CONNECTOR_NUMBER,
            "connected": of("boolean", "Whether the charger's socket is open."),
            "status": STATUS,
            "started_at": time("The charger's clock."),
            "power_w": POWER,
            "energy_kwh": of("number", "Taken so far."),
            "measured_at": time("When the outlet was last metered.", null=True),
        },
        description="A session that runs on your account.",
    ),
    "OwnState": record(
        {
            "balance_kwh": of("number", "Credited less spent; null without an account.", null=True),
            "credits_kwh": of("number", null=True),
            "total_kwh_spent": of("number", null=True),
            "service_account": of("boolean", "Whether it may charge whatever its balance."),
            "may_charge": of("boolean"),
            "running": array(ref("OwnSession"), f"Newest first, {MAX_RUNNING} at most."),
        },
        description="Your account, and what charges on it now.",
    ),
    "Curve": record(
        {
            "id": of("integer", "The session."),
            "points": array(
                record(
                    {
                        "at": time("The charger's clock."),
                        "power_w": of("integer", null=True),
                        "energy_kwh": of("number", "Taken until then.", null=True),
                    }
                ),
                f"Oldest first, {curves.POINTS} at most however long the session.",
            ),
            "reckoned": of("boolean", "Whether power was worked out from the meter: the charger tells none."),
            "html": of("string", "The same as a picture (SVG) with a table, in your language."),
            "next_s": of(
                "integer", "Seconds after which there is more to see; null when it has ended.", null=True
            ),
        },
        description="Power and energy of a session over its time.",
    ),
}
STATE: dict[str, Any] = {
    "balance_kwh": 36.4, "credits_kwh": 100.0, "total_kwh_spent": 63.6, "service_account": False,
    "may_charge": True,
    "running": [
        {
            "id": 17, "charger": "SIM1", "name": "North gate", "connector": 1, "connected": True,
            "status": "Charging", "started_at": "2026-01-31T08:00:00Z", "power_w": 7200, "energy_kwh": 3.6,
            "measured_at": "2026-01-31T08:29:50Z",
        }
    ],
}  # fmt: skip
CURVE: dict[str, Any] = {
    "id": 17,
    "points": [{"at": "2026-01-31T08:00:10Z", "power_w": 7200, "energy_kwh": 0.02}],
    "reckoned": False,
    "html": "<figure>…</figure>",
    "next_s": 10,
}


def paths() -> dict[str, dict[str, Node]]:
    """The addresses."""
    return {
        "/ocpp/my/state/": {"get": _state()},
        "/ocpp/my/events/": {"get": _events()},
        "/ocpp/my/{transaction_id}/curve/": {"get": _curve()},
    }


def _state() -> Node:
    return {
        "description": "Of the user who asks: with a token, its owner.",
        "responses": {"200": answer("How things stand.", ref("OwnState"), example=STATE)},
    }


def _events() -> Node:
    return {
        "description": "Server-sent events. Each event `state` carries an `OwnState` (see the schemas): how "
        "things stand, and then what has changed, at most once a second. The stream ends after "
        f"{Watch.lasts_s / 60:.0f} minutes; come again. Where it is refused (503), ask for the state.",
        "responses": {
            "200": answer(
                "The stream.", of("string"), media="text/event-stream",
                example='retry: 3000\n\nevent: state\ndata: {"balance_kwh": 36.4, …}\n\n',
            ),
            **refusals(NoAccount(), TooManyViewers()),
        },
    }  # fmt: skip


def _curve() -> Node:
    return {
        "description": "A session of somebody else's is not found.",
        "parameters": [SESSION],
        "responses": {
            "200": answer("The curve.", ref("Curve"), example=CURVE),
            **refusals(NotFound("not found"), NoAccount()),
        },
    }
