"""What a domain's ``openapi.py`` is made of, in the words of OpenAPI 3.1.

Such a file brings ``fragment(settings)``: what the JSON addresses of the domain take and answer. Who may call
them, and how that is refused, is read from their views when the website assembles the document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain_error import DomainError

Node = dict[str, Any]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Fragment:
    """One domain's part of the document."""

    # What stands over the domain's addresses.
    summary: str
    # Path, as it is mounted on any host → method → operation.
    paths: dict[str, dict[str, Node]]
    schemas: dict[str, Node] = field(default_factory=dict)


def ref(schema: str) -> Node:
    """A schema of the document, by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def record(properties: Mapping[str, Node], *, optional: tuple[str, ...] = (), description: str = "") -> Node:
    """An object that has these properties; all of them, but for the optional ones."""
    told: Node = {"description": description} if description else {}
    required = [name for name in properties if name not in optional]
    return {**told, "type": "object", "properties": dict(properties), "required": required}


def array(items: Node, description: str = "") -> Node:
    """A list."""
    return {"type": "array", "items": items, **({"description": description} if description else {})}


def of(kind: str, description: str = "", *, null: bool = False, **more: Any) -> Node:
    """A plain value of a JSON type; ``null`` where it may be missing."""
    told: Node = {"type": [kind, "null"] if null else kind, **more}
    return {**told, "description": description} if description else told


def time(description: str, *, null: bool = False) -> Node:
    """A time in UTC."""
    return of("string", description, null=null, format="date-time")


def in_path(name: str, description: str, schema: Node) -> Node:
    """A part of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def in_query(name: str, description: str, schema: Node) -> Node:
    """Something that may stand after the question mark."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def body(schema: Node, example: Any) -> Node:
    """What a request carries, as JSON or as a form."""
    return {
        "required": True,
        "content": {JSON: {"schema": schema, "example": example}, FORM: {"schema": schema}},
    }


def answer(description: str, schema: Node, *, example: Any = None, media: str = JSON) -> Node:
    """What comes back when all goes well."""
    shown = {} if example is None else {"example": example}
    return {"description": description, "content": {media: {"schema": schema, **shown}}}


def refusals(*errors: DomainError) -> dict[str, Node]:
    """Status → answer, for errors that an address may raise; the sentences of these are the examples."""
    by_status: dict[str, list[DomainError]] = defaultdict(list)
    for error in errors:
        by_status[str(error.status_code)].append(error)
    return {status: _refusal(alike) for status, alike in by_status.items()}


def _refusal(errors: list[DomainError]) -> Node:
    reasons = dict.fromkeys((type(error).__doc__ or "").partition("\n")[0] for error in errors)
    details = [str(error.detail) for error in errors]
    examples = {detail: {"value": {"detail": detail}} for detail in details}
    return refusal(" ".join(reasons), examples)


def refusal(description: str, examples: Node | None = None) -> Node:
    """An error, whose body is the same everywhere."""
    shown = {"examples": examples} if examples else {}
    return {"description": description, "content": {JSON: {"schema": ref("Error"), **shown}}}


def merged(responses: Mapping[str, Node], more: Mapping[str, Node]) -> dict[str, Node]:
    """Answers by status, of both; where both have errors of one status, the reasons of both."""
    found = dict(responses)
    for status, other in more.items():
        found[status] = _both(found[status], other) if status in found else other
    return found


def _both(first: Node, second: Node) -> Node:
    examples = {
        name: example
        for each in (first, second)
        for name, example in each["content"][JSON].get("examples", {}).items()
    }
    return refusal(f"{first['description']} {second['description']}", examples)
