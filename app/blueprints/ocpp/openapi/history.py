"""Transactions and meter readings, in the words of OpenAPI."""

from __future__ import annotations

from app.blueprints.ocpp import forms
from app.blueprints.ocpp.errors import BadParameter
from app.blueprints.ocpp.openapi.paging import PAGING, PER_PAGE, WRONG_PAGE
from app.blueprints.ocpp.openapi.schemas import CONNECTOR_NUMBER, REFUSED
from app.blueprints.ocpp.services import history, readings
from app.domain_error import DomainError, NotFound
from app.openapi_base import Node, answer, array, in_path, in_query, of, record, ref, refusals, time

TRANSACTION_ID = in_path(
    "transaction_id", "The id that the charger was given.", of("integer", minimum=0, examples=[17])
)
FORMAT = in_query("format", "`csv` answers a CSV file.", of("string", enum=["csv", "json"]))
CURSOR = in_query(
    "cursor",
    "Where to go on: the `next` of an answer with the same filters. However far down, it costs the same.",
    of("string", examples=["3.1767225600000000.120034"]),
)
NEXT = of("string", "Where the list goes on, for `cursor`; null: this was all.", null=True)
DAY = {"anyOf": [of("string", format="date"), of("string", format="date-time")]}
ONE_CHARGER = in_query("charger", "Only this charger's.", of("string"))
FILTERS = [
    ONE_CHARGER,
    in_query("account", "Only this account's: its id, or its user's name.", of("string")),
    in_query("since", "Only those that began at or after this day or time.", DAY),
    in_query("until", "Only those that began before this time, or not after this day.", DAY),
    in_query("running", "Only running ones (1), or only ended ones (0).", of("string", enum=["1", "0"])),
]
READING_FILTERS = [
    ONE_CHARGER,
    in_query("transaction", "Only this transaction's.", of("integer", minimum=1, maximum=2**31 - 1)),
    in_query("measurand", "Only this measurand's.", of("string", examples=["Energy.Active.Import.Register"])),
    in_query("since", "Only those of this day or time, or after it.", DAY),
    in_query("until", "Only those from before this time, or not after this day.", DAY),
]
DAYS = (
    "A day is one in the site's zone; a time without zone is taken there too. "
    "As CSV, all that the filters choose comes at once, unless `per_page` asks for one page."
)
WRONG_TIME = BadParameter("since must be a day or a time, such as 2026-01-31 or 2026-01-31T08:00:00Z")
WRONG_CURSOR = BadParameter("cursor must be the next of an answer")


class StoppedAlready(DomainError):
    """The transaction has an end."""


def paths() -> dict[str, dict[str, Node]]:
    """Path → method → operation."""
    return {
        "/ocpp/transactions/": {"get": _transactions()},
        "/ocpp/transactions/{transaction_id}/": {"get": _transaction()},
        "/ocpp/transactions/{transaction_id}/close/": {"post": _close()},
        "/ocpp/readings/": {"get": _readings()},
    }


def _transactions() -> Node:
    listed = record(
        {
            "transactions": array(ref("Transaction")),
            "page": of("integer"),
            "per_page": of("integer"),
            "more": of("boolean", "Whether another page follows."),
            "next": NEXT,
        }
    )
    example = {
        "transactions": [TRANSACTION_EXAMPLE],
        "page": 1,
        "per_page": forms.PER_PAGE,
        "more": False,
        "next": None,
    }
    found = answer("A page of transactions, newest first.", listed, example=example)
    return {
        "description": DAYS,
        "parameters": [*FILTERS, *PAGING, CURSOR, FORMAT],
        "responses": {
            "200": _or_csv(found, history.COLUMNS),
            **refusals(WRONG_TIME, WRONG_PAGE, WRONG_CURSOR),
        },
    }


def _transaction() -> Node:
    found = answer("The transaction.", ref("Transaction"), example=TRANSACTION_EXAMPLE)
    return {
        "parameters": [TRANSACTION_ID, FORMAT],
        "responses": {
            "200": _or_csv(found, history.COLUMNS),
            **refusals(NotFound("not found"), BadParameter("format must be csv or json")),
        },
    }


def _close() -> Node:
    example = TRANSACTION_EXAMPLE | {"stop_reason": "Other", "flags": ["closed_by_staff"]}
    return {
        "description": "Nothing is sent to the charger; `remote_stop` asks it to stop.",
        "parameters": [TRANSACTION_ID],
        "responses": {
            "200": answer("The transaction, ended.", ref("Transaction"), example=example),
            **refusals(NotFound("not found"), StoppedAlready("the transaction has stopped already")),
        },
    }


def _readings() -> Node:
    listed = record({"readings": array(ref("Reading")), "per_page": of("integer"), "next": NEXT})
    example = {"readings": [READING_EXAMPLE], "per_page": forms.PER_PAGE, "next": None}
    found = answer("A page of readings.", listed, example=example)
    return {
        "description": "Newest first: of one charger or transaction by the charger's clock, else as they "
        "came. With `since` or `until` alone they come charger by charger, each newest first. A page may be "
        "shorter than `per_page`, even empty, and yet not be the last: go on until `next` is null. " + DAYS,
        "parameters": [*READING_FILTERS, PER_PAGE, CURSOR, FORMAT],
        "responses": {"200": _or_csv(found, readings.COLUMNS), **refusals(WRONG_TIME, WRONG_CURSOR)},
    }


def _or_csv(response: Node, columns: tuple[str, ...]) -> Node:
    line = of("string", f"The first line names the columns: {', '.join(columns)}.")
    return {**response, "content": {**response["content"], "text/csv": {"schema": line}}}


TRANSACTION = record(
    {
        "id": of("integer", "The id that the charger was given."),
        "charger": of("string", "The charger's id."),
        "connector": CONNECTOR_NUMBER,
        "id_tag": of("string"),
        "account": of("integer", "The id of the account that pays.", null=True),
        "username": of("string", "Whose account it is.", null=True),
        "meter_start_wh": of("integer"),
        "meter_stop_wh": of("integer", null=True),
        "energy_wh": of("integer", "So far, or in all."),
        "started_at": time("The charger's clock."),
        "stopped_at": time("The charger's clock.", null=True),
        "received_at": time("When we learnt of the start."),
        "stop_received_at": time("When we learnt of the end.", null=True),
        "stop_reason": of("string", "The charger's word (OCPP 1.6, 7.36).", examples=["Local"]),
        "refused": of("string", f"{REFUSED} Empty: it was not."),
        "running": of("boolean"),
        "flags": array(of("string"), "Words for what was odd."),
    },
    description="A charging session.",
)

READING = record(
    {
        "id": of("integer"),
        "charger": of("string", "The charger's id."),
        "connector": of("integer", "0 is the whole charger."),
        "transaction": of("integer", "The id of its transaction.", null=True),
        "at": time("The charger's clock."),
        "measurand": of("string", examples=["Energy.Active.Import.Register"]),
        "value": of("number", "In the standard's base unit; null: not a number.", null=True),
        "unit": of("string", examples=["Wh"]),
        "context": of("string", examples=["Sample.Periodic"]),
        "phase": of("string", examples=["L1"]),
        "location": of("string", examples=["Outlet"]),
        "format": of("string", examples=["Raw"]),
        "raw_value": of("string", "As the charger sent it, where that differs.", null=True),
        "raw_unit": of("string", "As the charger sent it, where that differs.", null=True),
    },
    description="One sampled value (OCPP 1.6, 7.43).",
)

SCHEMAS: dict[str, Node] = {"Reading": READING, "Transaction": TRANSACTION}

READING_EXAMPLE = {
    "id": 120034,
    "charger": "SIM1",
    "connector": 1,
    "transaction": 17,
    "at": "2026-01-31T08:30:00Z",
    "measurand": "Energy.Active.Import.Register",
    "value": 121500,
    "unit": "Wh",
    "context": "Sample.Periodic",
    "phase": "",
    "location": "",
    "format": "",
    "raw_value": "121.5",
    "raw_unit": "kWh",
}

TRANSACTION_EXAMPLE = {
    "id": 17,
    "charger": "SIM1",
    "connector": 1,
    "id_tag": "FFFFFFFF",
    "account": 3,
    "username": "ana",
    "meter_start_wh": 120400,
    "meter_stop_wh": 131200,
    "energy_wh": 10800,
    "started_at": "2026-01-31T08:00:00Z",
    "stopped_at": "2026-01-31T09:30:00Z",
    "received_at": "2026-01-31T08:00:01Z",
    "stop_received_at": "2026-01-31T09:30:01Z",
    "stop_reason": "EVDisconnected",
    "refused": "",
    "running": False,
    "flags": [],
}
