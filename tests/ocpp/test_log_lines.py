"""What the log says of a charger's message names both, for machines too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import eventually, write
from tests.servers import RunningServer, running_server


@pytest.fixture
def json_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that logs JSON, and whose table of messages is gone: no message can be stored."""
    with running_server(tmp_path, LOG_JSON="1") as running:
        write(running, "ALTER TABLE ocpp_message RENAME TO gone")
        yield running


@pytest.mark.slow
def test_a_message_that_fails_is_named_in_json(json_server: RunningServer) -> None:
    id = new_id()
    charger = ChargePoint(json_server.port, f"/ocpp/{id}")
    number, answer = charger.call("Heartbeat", {}), charger.receive_message()
    charger.hang_up()

    def told() -> list[dict[str, str]]:
        text = (json_server.logs / "ocpp.log").read_text()
        return [line for line in map(json.loads, text.splitlines()) if line.get("message_id")]

    assert answer[:3] == [4, number, "InternalError"]
    line = eventually(told)[0]
    assert (line["charger"], line["message_id"], line["action"]) == (id, number, "Heartbeat")
    assert line["level"] == "ERROR"
