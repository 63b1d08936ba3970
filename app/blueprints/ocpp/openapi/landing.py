"""What anyone may ask of one charger, in the words of OpenAPI."""

from __future__ import annotations

from typing import Any

from app.blueprints.ocpp.feeds.chargers import Viewer
from app.blueprints.ocpp.feeds.streams import TooManyViewers
from app.blueprints.ocpp.openapi.schemas import CONNECTOR_NUMBER, PUBLIC_CHARGER
from app.domain_error import NotFound
from app.openapi_base import Node, answer, in_path, of, record, ref, refusals, time

CHARGER_ID = in_path("charger_id", "The id on the charger's label.", of("string", examples=["SIM1"]))
TRANSACTION = record(
    {
        "transactionId": of("integer"),
        "connectorId": CONNECTOR_NUMBER,
        "meterStart": of("integer", "Wh."),
        "startTime": time("The charger's clock."),
        "energyWh": of("integer", "Taken so far."),
    },
    description="A running transaction, without who it is of.",
)
SCHEMAS: dict[str, Node] = {
    "PublicTransaction": TRANSACTION,
    "ChargerStatus": record(
        {
            **PUBLIC_CHARGER["properties"],
            "transaction": {
                "anyOf": [ref("PublicTransaction"), of("null")],
                "description": "The newest that runs; null when none does.",
            },
        },
        description="One charger's state, for anyone: never id tags, accounts, addresses or messages.",
    ),
}
EXAMPLE: dict[str, Any] = {
    "charger_id": "SIM1", "name": "North gate", "state": "charging", "connected": True,
    "last_seen": "2026-01-31T08:30:00Z", "power_w": 7200, "energy_kwh": 3.6,
    "energy_today_kwh": 11.2,
    "connectors": [{"connector_id": 1, "status": "Charging", "power_w": 7200, "energy_kwh": 3.6}],
    "transaction": {
        "transactionId": 17, "connectorId": 1, "meterStart": 120400, "startTime": "2026-01-31T08:00:00Z",
        "energyWh": 3600,
    },
}  # fmt: skip


def paths() -> dict[str, dict[str, Node]]:
    """The addresses."""
    return {
        "/ocpp/c/{charger_id}/status/": {"get": _status()},
        "/ocpp/c/{charger_id}/events/": {"get": _events()},
    }


def _status() -> Node:
    return {
        "parameters": [CHARGER_ID],
        "responses": {
            "200": answer("How it stands.", ref("ChargerStatus"), example=EXAMPLE),
            **refusals(NotFound("not found")),
        },
    }


def _events() -> Node:
    return {
        "description": "Server-sent events for the landing page. Each event `chargers` carries a JSON array "
        "with one `PublicCharger` (see the schemas): how it stands, and then whenever that changes, at most "
        f"once a second. The stream ends after {Viewer.lasts_s / 60:.0f} minutes; come again. Where it is "
        "refused (503), ask for the status.",
        "parameters": [CHARGER_ID],
        "responses": {
            "200": answer(
                "The stream.", of("string"), media="text/event-stream",
                example='retry: 3000\n\nevent: chargers\ndata: [{"charger_id": "SIM1", …}]\n\n',
            ),
            **refusals(NotFound("not found"), TooManyViewers()),
        },
    }  # fmt: skip
