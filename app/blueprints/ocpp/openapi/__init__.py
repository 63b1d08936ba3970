"""The JSON addresses of ocpp, in the words of OpenAPI; commands are in ``openapi_commands``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import access
from app.blueprints.ocpp import forms
from app.blueprints.ocpp.feeds.chargers import Viewer
from app.blueprints.ocpp.feeds.streams import TooManyViewers
from app.blueprints.ocpp.openapi import commands as openapi_commands
from app.blueprints.ocpp.openapi import history as openapi_history
from app.blueprints.ocpp.openapi import landing as openapi_landing
from app.blueprints.ocpp.openapi import my as openapi_my
from app.blueprints.ocpp.openapi.paging import PAGING, WRONG_PAGE
from app.blueprints.ocpp.openapi.schemas import EXAMPLES, SCHEMAS
from app.blueprints.ocpp.services.overview import STATES
from app.domain_error import DomainError, NotFound
from app.openapi_base import Fragment, Node, answer, array, in_path, in_query, of, record, ref, refusals

CHARGER_ID = in_path("charger_id", "The id that the charger connects with.", of("string", examples=["SIM1"]))
SEARCH = in_query("q", "Only chargers whose id or name contains this.", of("string", maxLength=200))
STATE = in_query("state", "Only chargers in this state.", of("string", enum=list(STATES)))
CONNECTED = in_query(
    "connected", "Only connected ones (1), or only the others (0).", of("string", enum=["1", "0"])
)
LOCATED = in_query("located", "1: only chargers with coordinates.", of("string", enum=["1", "0"]))
ONLY = in_query("charger", "Only the charger with this id.", of("string"))


def fragment(settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Chargers, commands to them, transactions, and what is a driver's own.",
        paths={
            "/ocpp/chargers/": {"get": _chargers()},
            "/ocpp/chargers/{charger_id}/": {"get": _charger()},
            "/ocpp/chargers/{charger_id}/action/": {
                "post": {"parameters": [CHARGER_ID], **openapi_commands.operation()}
            },
            **openapi_history.paths(),
            "/ocpp/alerts/": {"get": _alerts()},
            "/ocpp/events/": {"get": _events(public=settings["PUBLIC_DASHBOARD"])},
            **openapi_landing.paths(),
            **openapi_my.paths(),
        },
        schemas={
            **SCHEMAS,
            **openapi_history.SCHEMAS,
            **openapi_landing.SCHEMAS,
            **openapi_my.SCHEMAS,
            **openapi_commands.schemas(settings["OCPP_CALL_TIMEOUT"]),
        },
    )


def _chargers() -> Node:
    listed = record(
        {
            "chargers": array(ref("Charger")),
            "page": of("integer"),
            "pages": of("integer", "How many pages there are."),
            "per_page": of("integer"),
            "total": of("integer", "Chargers on all pages."),
        }
    )
    example = {
        "chargers": [EXAMPLES["Charger"]],
        "page": 1,
        "pages": 1,
        "per_page": forms.PER_PAGE,
        "total": 1,
    }
    return {
        "description": "In the order of their ids.",
        "parameters": [*PAGING, SEARCH],
        "responses": {"200": answer("A page of chargers.", listed, example=example), **refusals(WRONG_PAGE)},
    }


def _charger() -> Node:
    return {
        "parameters": [CHARGER_ID],
        "responses": {
            "200": answer("The charger.", ref("ChargerInDetail"), example=EXAMPLES["ChargerInDetail"]),
            **refusals(NotFound("not found")),
        },
    }


def _alerts() -> Node:
    counts = {kind: of("integer") for kind in ("silent", "fault", "disk")}
    listed = record(
        {
            "alerts": array(ref("Alert")),
            "open": record(counts, description="How many are not over, also acknowledged ones."),
        }
    )
    example = {"alerts": [EXAMPLES["Alert"]], "open": {"silent": 0, "fault": 1, "disk": 0}}
    return {
        "description": "What has been acknowledged in the administration is left out.",
        "responses": {"200": answer("At most 200 alerts.", listed, example=example)},
    }


def _events(*, public: bool) -> Node:
    errors: list[DomainError] = [WRONG_PAGE, TooManyViewers()]
    if not public:
        errors += [access.Unauthenticated(), access.Forbidden()]
    return {
        "security": [{}] if public else [{"session": []}],
        "description": "Server-sent events for the dashboard, of one page of chargers. Each event `chargers` "
        "carries a JSON array of `PublicCharger` (see the schemas): first all, then those that have changed; "
        "each event `site` carries `SiteTotals`, whatever the filters choose. "
        f"The stream ends after {Viewer.lasts_s / 60:.0f} minutes; come again.",
        "parameters": [*PAGING, SEARCH, STATE, CONNECTED, LOCATED, ONLY],
        "responses": {
            "200": answer(
                "The stream.", of("string"), media="text/event-stream",
                example='retry: 3000\n\nevent: chargers\ndata: [{"charger_id": "SIM1", …}]\n\n',
            ),
            **refusals(*errors),
        },
    }  # fmt: skip
