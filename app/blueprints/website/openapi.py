"""The JSON addresses of website, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.website.services import Health
from app.openapi_base import JSON, Fragment, Node, answer, of, record, ref

WORDS = ["ok", "down"]
METRICS = """\
# HELP constellation_queue_waiting Messages that wait in a queue.
# TYPE constellation_queue_waiting gauge
constellation_queue_waiting{queue="mail"} 0.0
"""


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="How this installation is, and what it can be asked.",
        paths={
            "/healthz": {"get": _healthz()},
            "/metrics": {"get": _metrics()},
            "/api/openapi.json": {"get": _openapi()},
        },
        schemas={"Health": HEALTH},
    )


def _healthz() -> Node:
    well, unwell = Health(database=True, broker=True), Health(database=False, broker=True)
    return {
        "responses": {
            "200": answer("All is well.", ref("Health"), example=well.as_json()),
            "503": answer(
                "Something does not answer, or the disk is full.", ref("Health"), example=unwell.as_json()
            ),
        }
    }


def _metrics() -> Node:
    text = answer("Metrics of the whole installation.", of("string"), example=METRICS, media="text/plain")
    return {
        "description": "In Prometheus' text format. They are the same whichever process is asked.",
        "responses": {"200": text},
    }


def _openapi() -> Node:
    described = record({"openapi": of("string"), "info": of("object"), "paths": of("object")})
    return {
        "description": "`/api/docs` shows it to people.",
        "responses": {"200": {"description": "This document.", "content": {JSON: {"schema": described}}}},
    }


HEALTH: Node = record(
    {
        "status": of("string", "Whether all is well.", enum=WORDS),
        "database": of("string", enum=WORDS),
        "broker": of("string", "What carries jobs to the worker.", enum=WORDS),
        "disk": of("string", "Whether what is said can be stored.", enum=["ok", "full"]),
        "detail": of("string", "What is wrong; only when something is."),
    },
    optional=("detail",),
)
