"""The JSON addresses of ocpp, in the words of OpenAPI; commands are in ``openapi_commands``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import access
from app.blueprints.ocpp import forms
from app.blueprints.ocpp.errors import BadParameter
from app.blueprints.ocpp.feeds.chargers import Viewer
from app.blueprints.ocpp.feeds.streams import TooManyViewers
from app.blueprints.ocpp.openapi import commands as openapi_commands
from app.blueprints.ocpp.openapi import my as openapi_my
from app.blueprints.ocpp.openapi.schemas import EXAMPLES, SCHEMAS
from app.blueprints.ocpp.services import history
from app.blueprints.ocpp.services.overview import STATES
from app.domain_error import DomainError, NotFound
from app.openapi_base import Fragment, Node, answer, array, in_path, in_query, of, record, ref, refusals

CHARGER_ID = in_path("charger_id", "The id that the charger connects with.", of("string", examples=["SIM1"]))
TRANSACTION_ID = in_path(
    "transaction_id", "The id that the charger was given.", of("integer", minimum=0, examples=[17])
)
PAGE = of("integer", minimum=1, maximum=forms.MAX_PAGE, default=1)
PER_PAGE = of("integer", minimum=1, maximum=forms.MAX_PER_PAGE, default=forms.PER_PAGE)
PAGING = [
    in_query("page", "Which page; they count from 1.", PAGE),
    in_query("per_page", "Length of a page.", PER_PAGE),
]
SEARCH = in_query("q", "Only chargers whose id or name contains this.", of("string", maxLength=200))
STATE = in_query("state", "Only chargers in this state.", of("string", enum=list(STATES)))
CONNECTED = in_query(
    "connected", "Only connected ones (1), or only the others (0).", of("string", enum=["1", "0"])
)
LOCATED = in_query("located", "1: only chargers with coordinates.", of("string", enum=["1", "0"]))
ONLY = in_query("charger", "Only the charger with this id.", of("string"))
FORMAT = in_query("format", "`csv` answers a CSV file.", of("string", enum=["csv"]))
DAY = {"anyOf": [of("string", format="date"), of("string", format="date-time")]}
FILTERS = [
    in_query("charger", "Only this charger's.", of("string")),
    in_query("account", "Only this account's: its id, or its user's name.", of("string")),
    in_query("since", "Only those that began at or after this day or time.", DAY),
    in_query("until", "Only those that began before this time, or not after this day.", DAY),
    in_query("running", "Only running ones (1), or only ended ones (0).", of("string", enum=["1", "0"])),
]
WRONG_PAGE = BadParameter(f"page must be a whole number from 1 to {forms.MAX_PAGE}")
WRONG_TIME = BadParameter("since must be a day or a time, such as 2026-01-31 or 2026-01-31T08:00:00Z")


class StoppedAlready(DomainError):
    """The transaction has an end."""


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
            "/ocpp/transactions/": {"get": _transactions()},
            "/ocpp/transactions/{transaction_id}/": {"get": _transaction()},
            "/ocpp/transactions/{transaction_id}/close/": {"post": _close()},
            "/ocpp/alerts/": {"get": _alerts()},
            "/ocpp/events/": {"get": _events(public=settings["PUBLIC_DASHBOARD"])},
            **openapi_my.paths(),
        },
        schemas={
            **SCHEMAS,
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


def _transactions() -> Node:
    listed = record(
        {
            "transactions": array(ref("Transaction")),
            "page": of("integer"),
            "per_page": of("integer"),
            "more": of("boolean", "Whether another page follows."),
        }
    )
    example = {
        "transactions": [EXAMPLES["Transaction"]],
        "page": 1,
        "per_page": forms.PER_PAGE,
        "more": False,
    }
    found = answer("A page of transactions, newest first.", listed, example=example)
    return {
        "description": "A day is one in the site's zone; a time without zone is taken there too. "
        "As CSV, all that the filters choose comes at once, unless `page` asks for one page.",
        "parameters": [*FILTERS, *PAGING, FORMAT],
        "responses": {"200": _or_csv(found), **refusals(WRONG_TIME, WRONG_PAGE)},
    }


def _transaction() -> Node:
    found = answer("The transaction.", ref("Transaction"), example=EXAMPLES["Transaction"])
    return {
        "parameters": [TRANSACTION_ID, FORMAT],
        "responses": {"200": _or_csv(found), **refusals(NotFound("not found"))},
    }


def _close() -> Node:
    example = EXAMPLES["Transaction"] | {"stop_reason": "Other", "flags": ["closed_by_staff"]}
    return {
        "description": "Nothing is sent to the charger; `remote_stop` asks it to stop.",
        "parameters": [TRANSACTION_ID],
        "responses": {
            "200": answer("The transaction, ended.", ref("Transaction"), example=example),
            **refusals(NotFound("not found"), StoppedAlready("the transaction has stopped already")),
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


def _or_csv(response: Node) -> Node:
    line = of("string", f"The first line names the columns: {', '.join(history.COLUMNS)}.")
    return {**response, "content": {**response["content"], "text/csv": {"schema": line}}}
