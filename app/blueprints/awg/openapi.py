"""The JSON addresses of awg, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.awg import forms, tables
from app.blueprints.awg.errors import BadQuestion, EmptyTables, TooMuchCurrent, TooMuchDrop
from app.openapi_base import Fragment, Node, answer, array, in_query, of, record, ref, refusals

ASKED = {
    "amps": "The current of the load, in A.",
    "volts": "The voltage between the conductors that carry the load.",
    "meters": "The way to the load, one way.",
    "phases": "1: a line and neutral; 2: two lines; 3: three lines.",
    "material": "Copper or aluminium.",
    "temperature": "The column of the table, in °C. Left out: 60 up to 100 A, then 75.",
    "max_lines": "How many conductors may share a phase.",
    "max_drop": "The drop of voltage that is allowed, in per cent.",
    "extra": "Conductors in the conduit beside those that carry the load: ground, neutral.",
}


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Wire gauges: tables of the US National Electrical Code, and the cable that a load needs.",
        paths={
            "/awg/calculator/": {"get": _calculator()},
            "/awg/cables/": {"get": _list("cables", "Cable", "Copper first, and thin ones first.")},
            "/awg/conduits/": {"get": _list("conduits", "Conduit", "By kind, and narrow ones first.")},
        },
        schemas={"Cable": CABLE, "Conduit": CONDUIT, "CableQuestion": QUESTION, "CableAnswer": ANSWER},
    )


def _calculator() -> Node:
    problem = BadQuestion({"amps": "This must be a number from 0.1 to 10000."})
    found = answer("The cable: as few conductors per phase as possible, then as thin.", ref("CableAnswer"))
    return {
        "parameters": [_parameter(name, description) for name, description in ASKED.items()],
        "responses": {
            "200": found,
            **refusals(problem, TooMuchCurrent(260), TooMuchDrop("4.21"), EmptyTables()),
        },
    }


def _parameter(name: str, description: str) -> Node:
    if name in forms.CHOICES:
        choices, default = forms.CHOICES[name]
        kind: Node = {"enum": [choice for choice in choices if choice]}
        kind |= {"default": default} if default else {}
        return in_query(name, description, of("string", **kind))
    low, high, given = forms.NUMBERS[name]
    bounds: Node = {"minimum": float(low), "maximum": float(high)}
    if given is None:
        return {**in_query(name, description, of("number", **bounds)), "required": True}
    return in_query(name, description, of("number", default=float(given), **bounds))


def _list(name: str, schema: str, order: str) -> Node:
    return {"responses": {"200": answer(order, record({name: array(ref(schema))}))}}


def _measure(what: str) -> Node:
    return of("number", what)


CABLE: Node = record(
    {
        "size": of("string", "As people write it.", examples=["1/0"]),
        "awg_size": of("string", "1/0 … 4/0 are -1 … -4.", enum=list(tables.SIZES)),
        "material": of("string", enum=list(tables.MATERIALS)),
        "line_num": of("integer", "Conductors that share a phase.", minimum=1, maximum=tables.MOST_LINES),
        "dia_in": _measure("Diameter of one bare conductor, in inches."),
        "dia_mm": _measure("The same in millimetres."),
        "area_kcmil": _measure("Its area in thousands of circular mils."),
        "area_mm2": _measure("The same in mm²."),
        "k_ohm_km": _measure("Its resistance at 20 °C in ohms (not thousands of them) per 1000 m."),
        "k_ohm_kft": _measure("The same per 1000 ft."),
        "amps_60c": of("integer", "What all of them carry together, in A, at 60 °C."),
        "amps_75c": of("integer", "At 75 °C."),
        "amps_90c": of("integer", "At 90 °C."),
    },
    description="Conductors of one size and material, one to a phase or several.",
)
CONDUIT: Node = record(
    {
        "conduit": of("string", enum=list(tables.CONDUITS)),
        "trade_size": of("string", "The name of a size, in inches.", enum=list(tables.TRADE_SIZES)),
        **{
            tables.fill_column(size): of("integer", f"Conductors of {tables.size_name(size)} AWG.", null=True)
            for size in tables.SIZES
        },
    },
    description="How many THHN/THWN conductors of one size fit; null where none does.",
)
QUESTION: Node = record(
    {
        "amps": of("number"),
        "volts": of("number"),
        "meters": of("number"),
        "phases": of("integer"),
        "material": of("string", enum=list(tables.MATERIALS)),
        "temperature": of("integer", null=True),
        "max_lines": of("integer"),
        "max_drop": of("number"),
        "extra": of("integer"),
    },
    description="A load, and the way to it.",
)
ANSWER: Node = record(
    {
        "question": ref("CableQuestion"),
        "cable": ref("Cable"),
        "temperature": of("integer", "The column that applies, in °C."),
        "amps": of("integer", "What the cable carries, by that column."),
        "drop_v": of("number", "What is lost on the way, in V."),
        "drop_percent": of("number", "The same in per cent."),
        "end_v": of("number", "What is left at the load, in V."),
        "conductors": of("integer", "Conductors in the conduit."),
        "conduits": record(
            {kind: of("string", "The smallest that holds them.", null=True) for kind in tables.CONDUITS}
        ),
    },
    description="A cable for a load.",
)
