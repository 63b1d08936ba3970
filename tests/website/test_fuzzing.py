"""Every JSON address, asked with whatever its description allows and much that it does not: never a 5xx.

What comes back is also held against the description: its status, its kind, its shape.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.blueprints.accounts.services import create_token, create_user
from app.db import unit_of_work
from tests.factories import AccountFactory, ChargerFactory, MeterReadingFactory, TransactionFactory

# Streams that end when their viewer goes.
STREAMS = {"/ocpp/events/", "/ocpp/my/events/", "/ocpp/c/{charger_id}/events/"}
# Whatever is asked of one address, in each of the two ways.
EXAMPLES = 6
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture
def headers(app: Flask) -> dict[str, str]:
    """A token of somebody who has an account; a charger, a transaction and readings are there."""
    with app.app_context(), unit_of_work() as work:
        robot = create_user(work, "robot")
        _, plain = create_token(work, robot, "tests")
        charger = ChargerFactory(charger_id="SIM1")
        MeterReadingFactory(transaction=TransactionFactory(id=17, charger=charger, account=AccountFactory()))
    return {"Authorization": f"Bearer {plain}"}


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_is_answered_with_a_server_error(
    app: Flask, headers: dict[str, str], mode: GenerationMode
) -> None:
    document = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()
        if operation.path in STREAMS:
            continue
        asked += ask(operation, headers, mode)
    assert asked > 100


def ask(operation: Any, headers: dict[str, str], mode: GenerationMode) -> int:
    """Ask an address in many ways; return how many."""
    asked = 0

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def request(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(headers=headers, checks=CHECKS)

    with suppress(Unsatisfiable):  # nothing can be wrong in a request that takes nothing
        request()
    return asked
