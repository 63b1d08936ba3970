"""The JSON addresses of nodes, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.nodes.errors import BadAddress, BadHostname, BadPort, IncompleteNode
from app.blueprints.nodes.models import DEFAULT_PORT
from app.openapi_base import Fragment, Node, answer, array, body, of, record, ref, refusals, time

HOSTNAME = of("string", "The node's name.", examples=["depot-north"])
ADDRESS = of(
    "string", "IPv4 or IPv6.", anyOf=[{"format": "ipv4"}, {"format": "ipv6"}], examples=["192.168.1.20"]
)
PORT = of("integer", minimum=1, maximum=65535, default=DEFAULT_PORT)
EXAMPLE = {"hostname": "depot-north", "address": "192.168.1.20", "port": DEFAULT_PORT}


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Other installations of this project.",
        paths={"/nodes/register/": {"post": _register()}, "/nodes/list/": {"get": _list()}},
        schemas={"Node": NODE},
    )


def _register() -> Node:
    told = record({"hostname": HOSTNAME, "address": ADDRESS, "port": PORT}, optional=("port",))
    return {
        "description": "A node that is known by this name is moved.",
        "requestBody": body(told, EXAMPLE),
        "responses": {
            "200": answer("It is known now.", record({"id": of("integer")}), example={"id": 4}),
            **refusals(IncompleteNode(), BadHostname(), BadAddress(), BadPort()),
        },
    }


def _list() -> Node:
    example = {"nodes": [EXAMPLE | {"last_seen": "2026-01-31T08:30:00Z"}]}
    return {
        "responses": {
            "200": answer("Every node, by name.", record({"nodes": array(ref("Node"))}), example=example)
        }
    }


NODE: Node = record(
    {"hostname": HOSTNAME, "address": ADDRESS, "port": PORT, "last_seen": time("When it last registered.")},
    description="Another installation of this project.",
)
